"""The log of a run as the file that TensorBoard reads, written without TensorFlow and TensorBoard.

A file is a series of records (length, its checksum, an `Event` message, its checksum), as TFRecord files are:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/io/record_writer.h
and https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras

from kerastx.training.callbacks import read_log

PREFIX, SUFFIX = "events.out.tfevents.", ".kerastx"  # TensorBoard looks for "tfevents" in the name
_MASK = 0xFFFFFFFF


class EventLog(keras.callbacks.Callback):
    """Write the rows of a `TrainingLog` for TensorBoard, each as soon as it is there.

    A resumed run starts a new file with the rows that its log kept, and takes the old file away: one curve without
    gaps and without steps that occur twice.

    Args:
        folder: of the event file.
        log: the file of the `TrainingLog`.
        say: takes a line for people when nothing can be written; the run goes on.
    """

    def __init__(self, folder: Path, log: Path, say: Callable[[str], None] = lambda line: None):
        super().__init__()
        self.folder = folder
        self.log = log
        self.say = say
        self.file: Path | None = None

    def on_train_begin(self, logs=None):
        first = int(self.model.optimizer.iterations) + 1
        self._write(lambda: self._write_rows(before=first))

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        values = {"learning_rate": float(optimizer.learning_rate), **(logs or {})}
        self._write(lambda: self._append(int(optimizer.iterations), values))

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            self.file = None
            self.say(f"{self.folder}: no log for TensorBoard, the run goes on without it: {error}")

    def _write_rows(self, *, before: int) -> Path:
        rows = [{name: float(value) for name, value in row.items() if value} for row in read_log(self.log)]
        self.file = write_events(self.folder, [row for row in rows if row["step"] < before])
        return self.file

    def _append(self, step: int, values: Mapping[str, float]) -> None:
        file = self.file
        if file is None or not file.exists():  # somebody has tidied up
            file = self._write_rows(before=step)
        with open(file, "ab") as stream:
            stream.write(_record(_event(time.time(), step, values)))


def write_events(folder: Path, rows: Sequence[Mapping[str, float]]) -> Path:
    """Write an event file of all rows, each with "step", in the place of the one that this function wrote before.

    Rows that stood in it keep their time of day.
    """
    folder.mkdir(parents=True, exist_ok=True)
    old = sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))
    times = {step: moment for file in old for moment, step in _read_times(file)}
    now = time.time()
    records = [_record(_double(1, now) + _bytes(3, b"brain.Event:2"))]
    for row in rows:
        step = int(row["step"])
        values = {name: value for name, value in row.items() if name != "step"}
        records.append(_record(_event(times.get(step, now), step, values)))
    # A later name than the old file's: a TensorBoard that is open goes on to the new one.
    number = max([int(now), *(_number(file) + 1 for file in old)])
    target = folder / f"{PREFIX}{number:010d}{SUFFIX}"
    temporary = folder / f".scalars.tmp-{os.getpid()}"
    try:
        temporary.write_bytes(b"".join(records))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    for file in old:
        file.unlink()
    return target


def _number(file: Path) -> int:
    digits = file.name.removeprefix(PREFIX).removesuffix(SUFFIX)
    return int(digits) if digits.isdigit() else 0


def _event(moment: float, step: int, values: Mapping[str, float]) -> bytes:
    summary = b"".join(_bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in values.items())
    return _double(1, moment) + b"\x10" + _varint(step) + _bytes(5, summary)


def _read_times(file: Path) -> Iterator[tuple[float, int]]:
    """Yield the time and the step of each event that `_event` made, up to where a killed process stopped."""
    content = file.read_bytes()
    start = 0
    while start + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        data = content[start + 12 : start + 12 + length]
        start += length + 16
        if start > len(content):
            return
        if len(data) > 10 and data[9] == 0x10:
            yield struct.unpack_from("<d", data, 1)[0], _read_varint(data, 10)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked_checksum(length)) + data + struct.pack("<I", _masked_checksum(data))


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return bytes([field << 3 | 5]) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _read_varint(data: bytes, start: int) -> int:
    value, shift = 0, 0
    for byte in data[start:]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value


def _checksum_table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)  # the polynomial of CRC-32C, reversed
        table.append(number)
    return table


_TABLE = _checksum_table()


def _masked_checksum(data: bytes) -> int:
    """Return the CRC-32C of the data, masked as in TFRecord files."""
    checksum = _MASK
    for byte in data:
        checksum = checksum >> 8 ^ _TABLE[(checksum ^ byte) & 0xFF]
    checksum ^= _MASK
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & _MASK
