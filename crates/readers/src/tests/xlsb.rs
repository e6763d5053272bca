//! Binary workbooks of Excel, made by hand: no program at hand writes them.
//!
//! <https://learn.microsoft.com/en-us/openspecs/office_file_formats/ms-xlsb/>

use super::zip::{deflated, read_zip};
use super::*;

/// A record: its type and its length in pieces of seven bits, and its bytes.
fn record(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let mut record = match kind {
        0..0x80 => vec![kind as u8],
        _ => vec![kind as u8 & 0x7f | 0x80, (kind >> 7) as u8],
    };
    record.push(bytes.len() as u8);
    assert!(bytes.len() < 0x80);
    record.extend_from_slice(bytes);
    record
}

fn text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    [(units.len() as u32).to_le_bytes().to_vec(), units.into_iter().flat_map(u16::to_le_bytes).collect()]
        .concat()
}

fn cell(kind: u16, column: u32, value: &[u8]) -> Vec<u8> {
    record(kind, &[&column.to_le_bytes()[..], &[0; 4], value].concat())
}

fn row(number: u32, cells: &[Vec<u8>]) -> Vec<u8> {
    [record(0, &[&number.to_le_bytes()[..], &[0; 13]].concat()), cells.concat()].concat()
}

fn xlsb(rows: &[Vec<u8>]) -> Vec<u8> {
    let sheet = [[0; 8].to_vec(), text("r0"), text("Orders")].concat();
    let workbook =
        [record(0x83, &[]), record(0x8f, &[]), record(0x9c, &sheet), record(0x90, &[]), record(0x84, &[])];
    let sheet = [
        record(0x81, &[]),
        record(0x94, &[0; 16]),
        record(0x91, &[]),
        rows.concat(),
        record(0x92, &[]),
        record(0x82, &[]),
    ];
    let relations = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship \
                     Id=\"r0\" Target=\"worksheets/sheet1.bin\" \
                     Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\"/></Relationships>";
    deflated(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.bin", &workbook.concat()),
        ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
        ("xl/worksheets/sheet1.bin", &sheet.concat()),
    ])
}

#[tokio::test]
async fn a_binary_workbook_is_read_as_any_other() {
    let header = row(0, &[cell(6, 0, &text("id")), cell(6, 1, &text("zip")), cell(6, 2, &text("ok"))]);
    let rows = [
        header.clone(),
        row(1, &[cell(5, 0, &7.0_f64.to_le_bytes()), cell(6, 1, &text("01001")), cell(4, 2, &[1])]),
        // A number of 30 bits, and one of them with two digits behind the point.
        row(3, &[cell(2, 0, &(8_i32 << 2 | 2).to_le_bytes()), cell(6, 1, &text("7")), cell(10, 2, &[0])]),
        row(4, &[cell(2, 0, &(850_i32 << 2 | 3).to_le_bytes()), cell(3, 1, &[0x17])]),
    ];
    let (checked, read) = read_zip(&xlsb(&rows), &Options::default()).await.unwrap();
    assert!(matches!(checked.schema.layout, Layout::Sheet(Workbook::Xlsb, _)));
    assert_eq!(
        read.iter().map(line).collect::<Vec<_>>(),
        [r#"{"id":7,"zip":"01001","ok":true}"#, r#"{"id":8,"zip":"7","ok":false}"#, "cell_error"]
    );
    assert_eq!(read[2].place, Place::Row(5));
    // An error that is the value of a formula would be left out.
    let error = xlsb(&[header, row(1, &[cell(11, 0, &[0x07])])]);
    let refused = bad(read_zip(&error, &Options::default()).await);
    assert_eq!(refused.reason, Reason::UnsupportedFormat);
    assert!(refused.message.contains("save the workbook as .xlsx"), "{}", refused.message);
}
