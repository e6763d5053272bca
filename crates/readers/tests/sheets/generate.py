"""Writes workbooks with openpyxl, XlsxWriter and odfpy, and beside each the records that it holds, as JSON Lines.

    python3 -m venv venv && venv/bin/pip install openpyxl==3.1.5 XlsxWriter odfpy
    venv/bin/python crates/readers/tests/sheets/generate.py FOLDER COUNT SEED
    SHEET_FILES=FOLDER cargo test -p readers --test sheets

Without COUNT, only the files that are kept in this folder are written. What an .xlsx file holds is what openpyxl reads in it,
by the rules of docs/pipelines.md; of an .ods file it is what was put in. A row with an error is {"rejected": "cell_error"}.
"""

import datetime
import json
import pathlib
import random
import sys

import openpyxl
import xlsxwriter
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import CoveredTableCell, Table, TableCell, TableRow
from odf.text import LineBreak, P, S, Span

WORDS = ["a", "Åre", "north", "x" * 300, "two\nlines", 'quote"d', "日本", "semi;colon", "a,b", " spaced ", "#tag", "'x'", "-"]
DIGITS = ["007", "12", "94110", "1.10"]
LOOKS = ["true", "2026-01-01", "1e5", "=1+1"]


class Failed(str):
    """An error as a spreadsheet program shows it."""


class Formula:
    """A formula with the value that was saved with it, or without one."""

    def __init__(self, value):
        self.value = value


def number(dice):
    kind = dice.randrange(6)
    if kind < 2:
        return dice.randrange(-1000, 100000)
    if kind < 4:
        return round(dice.uniform(-1000, 1000), dice.randrange(1, 9))
    return dice.choice([0.1 + 0.2, 1e-7, 123456789012345, 7.0, 1 / 3, 2.5e20])


def moment(dice):
    day = datetime.datetime(1950, 1, 1) + datetime.timedelta(days=dice.randrange(40000))
    return day if dice.random() < 0.5 else day + datetime.timedelta(seconds=dice.randrange(86400))


def column(dice):
    """A function that makes the values of a column."""
    return dice.choice([
        lambda: number(dice),
        lambda: number(dice) if dice.random() < 0.9 else None,
        lambda: dice.choice(WORDS),
        lambda: dice.choice(DIGITS),
        lambda: dice.choice(WORDS + DIGITS + LOOKS),
        lambda: dice.random() < 0.5,
        lambda: moment(dice) if dice.random() < 0.9 else None,
        lambda: dice.choice([number(dice), dice.choice(WORDS)]),
        lambda: datetime.time(dice.randrange(24), dice.randrange(60), dice.randrange(60)),
        lambda: datetime.timedelta(seconds=dice.randrange(400000)),
        lambda: Formula(dice.choice([number(dice), dice.choice(WORDS), dice.random() < 0.5])),
    ])


def table(dice):
    """A header and rows, the first column of which is a number in every row."""
    columns = [column(dice) for _ in range(dice.randrange(1, 8))]
    names = ["id"] + [f"name {at}" for at in range(len(columns))]
    rows = [[at + 1] + [make() for make in columns] for at in range(dice.randrange(4, 40))]
    for row in rows:
        if dice.random() < 0.05:
            row[dice.randrange(1, len(row))] = Failed(dice.choice(["#N/A", "#N/A", "#DIV/0!", "#REF!"]))
    return names, rows


def duration(value):
    seconds = round(value.total_seconds())
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    text = "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    return text + (f"{seconds}S" if seconds or text == "PT" else "")


def time_of(value):
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    return duration(value) if isinstance(value, datetime.timedelta) else value.isoformat()


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shortest(value):
    if isinstance(value, float) and value == int(value) and abs(value) < 1e17:
        value = int(value)
    text = repr(value)
    return text.replace("e+", "e").replace("e-0", "e-")


def text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return shortest(value)
    return value if isinstance(value, str) else time_of(value)


def records(names, rows):
    """The records of rows, whose columns have types by all of their values. Rows with an error say nothing about types."""
    whole = [row for row in rows if not any(isinstance(it, Failed) and it != "#N/A" for it in row)]
    kinds = []
    for at in range(len(names)):
        values = [row[at] for row in whole if row[at] is not None and not isinstance(row[at], Failed)]
        if values and all(is_number(it) for it in values):
            kinds.append("number")
        elif values and all(isinstance(it, bool) for it in values):
            kinds.append("boolean")
        else:
            kinds.append("text")
    for row in rows:
        if any(isinstance(it, Failed) and it != "#N/A" for it in row):
            yield {"rejected": "cell_error"}
            continue
        record = {}
        for name, kind, value in zip(names, kinds, row):
            if value is None or isinstance(value, Failed):
                record[name] = None
            else:
                record[name] = value if kind != "text" else text_of(value)
        yield record


def written(path, names, rows):
    lines = [json.dumps(record, ensure_ascii=False) for record in records(names, rows)]
    path.with_suffix(path.suffix + ".jsonl").write_text("".join(line + "\n" for line in lines))


def read_back(path, sheet, top, left, width):
    """The table as openpyxl reads it, from its header on."""
    cells = openpyxl.load_workbook(path, data_only=True)[sheet]
    rows = []
    for row in cells.iter_rows(min_row=top, min_col=left, max_col=left + width - 1):
        rows.append([Failed(it.value) if it.data_type == "e" else it.value for it in row])
    while all(value is None for value in rows[-1]):
        rows.pop()
    return rows[0], rows[1:]


def place(dice):
    """Where the table begins, and whether a title stands above it."""
    title = dice.random() < 0.3
    return (dice.randrange(3, 6) if title else dice.choice([1, 1, 1, 4]), dice.choice([1, 1, 3]), title)


def by_openpyxl(path, dice):
    names, rows = table(dice)
    top, left, title = place(dice)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = dice.choice(["Sheet1", "Orders & more", "Übersicht"])
    if title:
        sheet.cell(1, left, "Orders of all shops")
    for down, row in enumerate([names] + rows):
        for right, value in enumerate(row):
            if isinstance(value, Formula):
                value = value.value
            cell = sheet.cell(top + down, left + right, value)
            if isinstance(value, Failed):
                cell.value, cell.data_type = str(value), "e"
            elif isinstance(value, str):
                cell.data_type = "s"
            elif is_number(value) and dice.random() < 0.2:
                cell.number_format = dice.choice(["0%", "#,##0.00 €", "0.00E+00"])
    book.create_sheet("Empty")
    hidden = book.create_sheet("Lists")
    hidden["A1"], hidden.sheet_state = "north", "hidden"
    sheet.cell(top + 60, left).number_format = "0.0"
    book.save(path)
    written(path, *read_back(path, sheet.title, top, left, len(names)))


def by_xlsxwriter(path, dice):
    names, rows = table(dice)
    top, left, title = place(dice)
    book = xlsxwriter.Workbook(path, {
        "constant_memory": dice.random() < 0.5,
        "date_1904": dice.random() < 0.2,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
    })
    sheet, clock, span = book.add_worksheet("Data"), book.add_format(), book.add_format()
    clock.set_num_format("hh:mm:ss")
    span.set_num_format("[h]:mm:ss")
    if title:
        sheet.write_string(0, left - 1, "Orders of all shops")
    for down, row in enumerate([names] + rows):
        for right, value in enumerate(row):
            at = (top - 1 + down, left - 1 + right)
            if isinstance(value, Formula):
                sheet.write_formula(*at, "=Other!A1", None, value.value)
            elif isinstance(value, Failed):
                sheet.write_formula(*at, "=1/0", None, str(value))
            elif isinstance(value, str):
                sheet.write_string(*at, value)
            elif isinstance(value, datetime.time):
                sheet.write_datetime(*at, value, clock)
            elif isinstance(value, datetime.timedelta):
                sheet.write_datetime(*at, value, span)
            elif value is not None:
                sheet.write(*at, value)
    book.close()
    written(path, *read_back(path, "Data", top, left, len(names)))


def paragraph(text):
    """Text as LibreOffice writes it: spaces that count and line breaks are elements."""
    whole = P()
    for line_at, line in enumerate(text.split("\n")):
        if line_at:
            whole.addElement(LineBreak())
        inner = line.strip(" ")
        before, after = len(line) - len(line.lstrip(" ")), len(line) - len(line.rstrip(" "))
        if before and inner:
            whole.addElement(S(c=str(before)))
        whole.addElement(Span(text=inner))
        if after:
            whole.addElement(S(c=str(after)))
    return whole


def ods_cell(value):
    formula = {}
    if isinstance(value, Formula):
        formula, value = {"formula": "of:=[.A1]"}, value.value
    if value is None:
        return TableCell()
    if isinstance(value, Failed):
        cell = TableCell(valuetype="string", stringvalue="", formula="of:=1/0")
        cell.setAttrNS("urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0", "value-type", "error")
        cell.addElement(P(text=str(value)))
        return cell
    if isinstance(value, bool):
        return TableCell(valuetype="boolean", booleanvalue="true" if value else "false", **formula)
    if is_number(value):
        kind = "float" if value > 0 else "percentage"
        return TableCell(valuetype=kind, value=repr(value), **formula)
    if isinstance(value, datetime.datetime):
        return TableCell(valuetype="date", datevalue=time_of(value))
    if isinstance(value, datetime.time):
        return TableCell(valuetype="time", timevalue=f"PT{value.hour:02}H{value.minute:02}M{value.second:02}S")
    if isinstance(value, datetime.timedelta):
        return TableCell(valuetype="time", timevalue=duration(value))
    cell = TableCell(valuetype="string", **formula)
    cell.addElement(paragraph(value))
    return cell


def by_odfpy(path, dice):
    names, rows = table(dice)
    top, left, title = place(dice)
    book = OpenDocumentSpreadsheet()
    sheet = Table(name="Data")
    rows_above = top - 1
    if title:
        row = TableRow()
        if left > 1:
            row.addElement(TableCell(numbercolumnsrepeated=str(left - 1)))
        row.addElement(TableCell(valuetype="string", stringvalue="Orders of all shops", numbercolumnsspanned="2"))
        row.addElement(CoveredTableCell())
        sheet.addElement(row)
        rows_above -= 1
    if rows_above:
        row = TableRow(numberrowsrepeated=str(rows_above))
        row.addElement(TableCell(numbercolumnsrepeated="16384"))
        sheet.addElement(row)
    for values in [names] + rows:
        row = TableRow()
        if left > 1:
            row.addElement(TableCell(numbercolumnsrepeated=str(left - 1)))
        for value in values:
            row.addElement(ods_cell(value))
        row.addElement(TableCell(numbercolumnsrepeated=str(16384 - left - len(values) + 1)))
        sheet.addElement(row)
    row = TableRow(numberrowsrepeated=str(1048576 - top - len(rows)))
    row.addElement(TableCell(numbercolumnsrepeated="16384"))
    sheet.addElement(row)
    book.spreadsheet.addElement(sheet)
    book.spreadsheet.addElement(Table(name="Empty"))
    book.save(path)

    def plain(value):
        value = value.value if isinstance(value, Formula) else value
        if isinstance(value, datetime.time):
            return f"PT{value.hour:02}H{value.minute:02}M{value.second:02}S"
        return value

    written(path, names, [[plain(value) for value in row] for row in rows])


WRITERS = [("openpyxl", "xlsx", by_openpyxl), ("xlsxwriter", "xlsx", by_xlsxwriter), ("odfpy", "ods", by_odfpy)]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    count, seed = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (2, 1)
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        for name, suffix, write in WRITERS:
            write(folder / f"{name}-{seed + at}.{suffix}", random.Random(f"{name} {seed + at}"))


main()
