//! Workbooks made by hand: what a writer of files does not write, and what is wrong. Those that programs have written are
//! compared in tests/sheets.rs.

use super::zip::{deflated, read_zip};
use super::*;

const ROOT: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" \
     Target=\"xl/workbook.xml\" \
     Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\"/></Relationships>";

const TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";

/// A sheet: its name, its state, and its rows.
pub(super) type Sheet<'a> = (&'a str, &'a str, &'a str);

/// A workbook of Excel with these sheets, and other parts.
pub(super) fn xlsx(sheets: &[Sheet<'_>], others: &[(&str, &str)]) -> Vec<u8> {
    let (mut list, mut relations, mut parts) = (String::new(), String::new(), Vec::new());
    for (at, (name, state, rows)) in sheets.iter().enumerate() {
        list += &format!("<sheet name=\"{name}\" sheetId=\"{}\" state=\"{state}\" r:id=\"r{at}\"/>", at + 1);
        relations += &format!(
            "<Relationship Id=\"r{at}\" Target=\"worksheets/sheet{at}.xml\" \
             Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\"/>"
        );
        let sheet = format!(
            "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{rows}\
             </sheetData></worksheet>"
        );
        parts.push((format!("xl/worksheets/sheet{at}.xml"), sheet));
    }
    let workbook = format!(
        "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>{list}</sheets></workbook>"
    );
    let relations = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{relations}</Relationships>"
    );
    let fixed = [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", ROOT),
        ("xl/workbook.xml", &workbook),
        ("xl/_rels/workbook.xml.rels", &relations),
    ];
    let all = fixed.into_iter().chain(parts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let all = all.chain(others.iter().copied()).map(|(name, text)| (name, text.as_bytes()));
    deflated(&all.collect::<Vec<_>>())
}

/// Rows of cells: a number as it is, a text between apostrophes, anything else as XML.
fn rows(rows: &[&[&str]]) -> String {
    let cell = |cell: &str| match cell.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(text) => format!("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>"),
        None if cell.starts_with('<') => cell.to_owned(),
        None => format!("<c><v>{cell}</v></c>"),
    };
    let row = |row: &&[&str]| format!("<row>{}</row>", row.iter().map(|it| cell(it)).collect::<String>());
    rows.iter().map(row).collect()
}

fn one(sheet: &[&[&str]]) -> Vec<u8> {
    xlsx(&[("Orders", "visible", &rows(sheet))], &[])
}

async fn records(workbook: &[u8], options: &Options) -> Vec<String> {
    let (_, rows) = read_zip(workbook, options).await.unwrap();
    rows.iter().map(line).collect()
}

async fn refused(workbook: &[u8]) -> BadInput {
    bad(read_zip(workbook, &Options::default()).await)
}

fn named(sheet: &str) -> Options {
    Options { sheet: Some(sheet.to_owned()), ..Options::default() }
}

const ERROR: &str = "<c t=\"e\"><v>#REF!</v></c>";
const NOT_THERE: &str = "<c t=\"e\"><v>#N/A</v></c>";
const FORMULA: &str = "<c><f>A1+1</f><v>3</v></c>";
const NOT_SAVED: &str = "<c><f>A1+1</f></c>";

#[tokio::test]
async fn cells_keep_their_types() {
    let workbook = one(&[
        &["'id'", "'zip'", "'n'", "'ok'", "'note'"],
        &["1", "'12345'", "7.0", "<c t=\"b\"><v>1</v></c>", "'true'"],
        &["2", "'94110'", FORMULA, "<c t=\"b\"><v>0</v></c>", "'false'"],
        &["3", "<c/>", NOT_THERE, "<c/>", "''"],
    ]);
    let (checked, read) = read_zip(&workbook, &Options::default()).await.unwrap();
    assert_eq!(
        read.iter().map(line).collect::<Vec<_>>(),
        [
            r#"{"id":1,"zip":"12345","n":7,"ok":true,"note":"true"}"#,
            r#"{"id":2,"zip":"94110","n":3,"ok":false,"note":"false"}"#,
            r#"{"id":3,"zip":null,"n":null,"ok":null,"note":""}"#,
        ]
    );
    assert!(matches!(checked.schema.layout, Layout::Sheet(Workbook::Xlsx, _)));
    assert_eq!(checked.bytes_in, workbook.len() as u64);
    let sheet = Options { format: Format::Sheet, ..Options::default() };
    assert_eq!(records(&workbook, &sheet).await.len(), 3);
    // What a pipeline declares is followed.
    let number = declared(&[("zip", ColumnType::Number)]);
    assert_eq!(
        field(&read_zip(&workbook, &number).await.unwrap().1[0], "zip"),
        &Value::Number("12345".into())
    );
}

#[tokio::test]
async fn an_error_or_a_formula_without_a_value_refuses_its_row() {
    let workbook = one(&[&["'id'", "'n'"], &["1", ERROR], &["2", NOT_SAVED], &["3", "3"], &["4", "'#REF!'"]]);
    let (_, read) = read_zip(&workbook, &Options::default()).await.unwrap();
    let lines: Vec<String> = read.iter().map(line).collect();
    assert_eq!(lines, ["cell_error", "cell_error", r#"{"id":3,"n":"3"}"#, r##"{"id":4,"n":"#REF!"}"##]);
    let reject = |at: usize| read[at].content.as_ref().unwrap_err();
    assert_eq!(reject(0).place, Place::Row(2));
    assert!(reject(0).message.contains("\"n\" has the error #REF!"), "{}", reject(0).message);
    assert!(reject(1).message.contains("whose value was not saved"), "{}", reject(1).message);
    let nulls = Options {
        table: domain::pipelines::Delimited {
            nulls: Some(vec!["#REF!".to_owned(), "#FORMULA".to_owned()]),
            ..Default::default()
        },
        ..Options::default()
    };
    assert_eq!(
        records(&workbook, &nulls).await,
        [r#"{"id":1,"n":null}"#, r#"{"id":2,"n":null}"#, r#"{"id":3,"n":3}"#, r#"{"id":4,"n":null}"#]
    );
}

#[tokio::test]
async fn rows_are_named_as_the_program_shows_them() {
    let text = "<row r=\"3\"><c r=\"B3\" t=\"inlineStr\"><is><t>id</t></is></c><c r=\"C3\" t=\"inlineStr\"><is><t>note</t></is></c></row>\
                <row r=\"5\"><c r=\"B5\"><v>1</v></c><c r=\"C5\" t=\"inlineStr\"><is><t>two\nlines\r\nand more</t></is></c></row>\
                <row r=\"6\"><c r=\"B6\"><v>2</v></c><c r=\"C6\" t=\"e\"><v>#DIV/0!</v></c></row>\
                <row r=\"1048576\"><c r=\"C1048576\" t=\"e\"><v>#NUM!</v></c></row>";
    let (_, read) = read_zip(&xlsx(&[("A", "visible", text)], &[]), &Options::default()).await.unwrap();
    assert_eq!(line(&read[0]), r#"{"id":1,"note":"two\nlines\nand more"}"#);
    assert_eq!(
        read.iter().map(|row| row.place).collect::<Vec<_>>(),
        [Place::Row(5), Place::Row(6), Place::Row(1_048_576)]
    );
}

#[tokio::test]
async fn the_only_sheet_with_values_is_read_or_the_one_that_is_named() {
    let table = |id: &str| rows(&[&["'id'", "'n'"], &[id, "1"]]);
    let (one, two) = (table("1"), table("2"));
    let workbook = |first: &str, second: &str| {
        xlsx(&[("Empty", "visible", ""), ("A &amp; B", first, &one), ("Lists", second, &two)], &[])
    };
    assert_eq!(records(&workbook("visible", "hidden"), &Options::default()).await, [r#"{"id":1,"n":1}"#]);
    assert_eq!(records(&workbook("visible", "hidden"), &named("Lists")).await, [r#"{"id":2,"n":1}"#]);
    let several = refused(&workbook("visible", "visible")).await;
    assert_eq!(several.reason, Reason::TwoTables);
    assert_eq!(
        several.message,
        "2 sheets of the workbook have values: \"A & B\", \"Lists\"; put the one that is meant into the pipelines file, such as \
         sheet = \"A & B\""
    );
    assert_eq!(records(&workbook("visible", "visible"), &named("A & B")).await, [r#"{"id":1,"n":1}"#]);
    let hidden = refused(&workbook("hidden", "veryHidden")).await;
    assert!(
        hidden.message.starts_with("only hidden sheets of the workbook have values: "),
        "{}",
        hidden.message
    );
    let missing = bad(read_zip(&workbook("visible", "hidden"), &named("May")).await);
    assert_eq!(missing.reason, Reason::NoTable);
    assert!(missing.message.contains("it has \"Empty\", \"A & B\", \"Lists\""), "{}", missing.message);
    let empty = bad(read_zip(&workbook("visible", "hidden"), &named("Empty")).await);
    assert!(empty.message.contains("\"Empty\" of the workbook has no values"), "{}", empty.message);
    let none = refused(&xlsx(&[("Empty", "visible", "<row><c/></row>")], &[])).await;
    assert_eq!(
        (none.reason, none.message.as_str()),
        (Reason::NoTable, "no sheet of the workbook has a value")
    );
}

#[tokio::test]
async fn what_contradicts_the_pipeline_is_refused() {
    let workbook = one(&[&["'id'"], &["1"]]);
    for options in [
        csv_options(),
        json_options(),
        pointer("/a"),
        Options { format: Format::Parquet, ..Options::default() },
    ] {
        assert_eq!(bad(read_zip(&workbook, &options).await).reason, Reason::WrongFormat);
    }
    let sheet = Options { format: Format::Sheet, ..Options::default() };
    for other in [&b"id,n\n1,2\n"[..], &deflated(&[("a.csv", b"id,n\n1,2\n")]), b"{\"a\":1}"] {
        let refused = bad(read_zip(other, &sheet).await);
        assert_eq!(refused.reason, Reason::WrongFormat, "{}", refused.message);
        assert!(refused.message.contains("workbook"), "{}", refused.message);
    }
}

#[tokio::test]
async fn memory_is_bounded_whatever_a_workbook_says() {
    // Two cells as far apart as can be, and a row of commas for each of a million rows.
    let far = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row>";
    let header = Some(domain::pipelines::Header::InFirstRow(false));
    let table = domain::pipelines::Delimited { header, ..Default::default() };
    let without_header = Options { table, ..Options::default() };
    let far = xlsx(&[("A", "visible", far)], &[]);
    assert_eq!(bad(read_zip(&far, &without_header).await).reason, Reason::TooManyColumns);
    // A cell, and texts that cells share, that are larger than they may be.
    let long = "x".repeat(5 << 20);
    assert_eq!(refused(&one(&[&["'id'"], &[&format!("'{long}'")]])).await.reason, Reason::BlockTooLarge);
    let texts = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(25 << 20));
    let shared = xlsx(&[("A", "visible", &rows(&[&["'id'"], &["1"]]))], &[("xl/sharedStrings.xml", &texts)]);
    assert!(shared.len() < 100_000);
    let refused_texts = refused(&shared).await;
    assert_eq!(refused_texts.reason, Reason::BlockTooLarge);
    assert!(refused_texts.message.ends_with("save the sheet as CSV"), "{}", refused_texts.message);
    // With the sizes that pools of workers have, and without a deadlock between the two that wait.
    let middle = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(4 << 20));
    let many: Vec<Vec<String>> = (0..9_000).map(|at| vec![at.to_string(), format!("'{:030}'", at)]).collect();
    let mut all = vec![vec!["'id'".to_owned(), "'note'".to_owned()]];
    all.extend(many);
    let all: Vec<Vec<&str>> = all.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    let sheet = rows(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let workbook = xlsx(&[("A", "visible", &sheet)], &[("xl/sharedStrings.xml", &middle)]);
    let options = Options { buffers: BufferPermits::new(1), ..Options::default() };
    let read = || async { read_zip(&workbook, &options).await.unwrap().1.len() };
    assert_eq!(futures::future::join(read(), read()).await, (9_000, 9_000));
    // Rows of a few bytes that are as wide as the widest.
    let wide = "<row><c r=\"A1\"><v>1</v></c><c r=\"EWS1\"><v>1</v></c></row>".to_owned()
        + &rows(&[&["1"]]).repeat(3_000);
    let bomb = xlsx(&[("A", "visible", &wide)], &[]);
    let limits = Limits { ratio_from_bytes: 1 << 20, ..Limits::default() };
    let options = Options { limits, ..without_header };
    assert_eq!(bad(read_zip(&bomb, &options).await).reason, Reason::DecompressionBomb);
}

#[tokio::test]
async fn encrypted_and_old_workbooks_are_refused_by_name() {
    let compound = |name: &str| {
        let mut file = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        file.resize(30, 0);
        file.extend([9, 0]);
        file.resize(1024, 0);
        file.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        file.resize(2048, 0);
        file
    };
    for (name, reason, words) in [
        ("EncryptedPackage", Reason::EncryptedFile, "needs a password"),
        ("Workbook", Reason::UnsupportedFormat, "save it as .xlsx"),
        ("WordDocument", Reason::UnsupportedFormat, "an old Office document"),
    ] {
        let refused = refused(&compound(name)).await;
        assert_eq!(refused.reason, reason);
        assert!(refused.message.contains(words), "{}", refused.message);
    }
}

#[tokio::test]
async fn a_workbook_that_contradicts_itself_is_damaged() {
    let backwards = "<row r=\"2\"><c r=\"A2\"><v>1</v></c></row><row r=\"1\"><c r=\"A1\"><v>1</v></c></row>";
    let no_text = rows(&[&["'id'"], &["<c t=\"s\"><v>7</v></c>"]]);
    let no_number = rows(&[&["'id'"], &["<c t=\"n\"><v>x</v></c>"]]);
    for sheet in [backwards, &no_text, &no_number, "<row><c><v>1", "<!DOCTYPE a>"] {
        let refused = refused(&xlsx(&[("A", "visible", sheet)], &[])).await;
        assert_eq!(refused.reason, Reason::DamagedFile, "{}", refused.message);
    }
    let picture = xlsx(&[("A", "visible", &rows(&[&["1"]]))], &[("xl/media/a.png", "<sst/>")]);
    assert!(refused(&picture).await.message.contains("no picture"));
}

/// A workbook of OpenDocument with this content.
pub(super) fn ods(content: &str, manifest: &str) -> Vec<u8> {
    let content = format!("<office:document-content>{content}</office:document-content>");
    deflated(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", manifest.as_bytes()),
    ])
}

const ODS_HEADER: &str = "<table:table-row><table:table-cell office:value-type=\"string\"><text:p>id</text:p></table:table-cell>\
    <table:table-cell office:value-type=\"string\"><text:p>n</text:p></table:table-cell></table:table-row>";

pub(super) fn ods_number(value: &str) -> String {
    format!("<table:table-cell office:value-type=\"float\" office:value=\"{value}\"/>")
}

pub(super) fn ods_table(name: &str, style: &str, rows: &str) -> String {
    format!(
        "<table:table table:name=\"{name}\" table:style-name=\"{style}\">{ODS_HEADER}{rows}</table:table>"
    )
}

#[tokio::test]
async fn sheets_of_open_document_are_streamed() {
    let rows = format!(
        "<table:table-row table:number-rows-repeated=\"3\">{}<table:table-cell table:number-columns-repeated=\"9\"/>\
         </table:table-row>\
         <table:table-row>{}<table:table-cell office:value-type=\"string\"><office:annotation><text:p>a note</text:p>\
         </office:annotation><text:p>&lt;a&gt;<text:s text:c=\"2\"/>b<text:line-break/>&#x41;</text:p><text:p>c</text:p>\
         </table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated=\"1048000\"><table:table-cell table:number-columns-repeated=\"16384\"/>\
         </table:table-row>",
        ods_number("7.0"),
        ods_number("8"),
    );
    let hidden =
        "<style:style style:name=\"h\"><style:table-properties table:display=\"false\"/></style:style>";
    let other = ods_table(
        "Lists",
        "h",
        &format!("<table:table-row>{}{}</table:table-row>", ods_number("1"), ods_number("2")),
    );
    let workbook = ods(&format!("{hidden}{}{other}", ods_table("A", "v", &rows)), "");
    assert_eq!(
        records(&workbook, &Options::default()).await,
        [
            r#"{"id":7,"n":null}"#,
            r#"{"id":7,"n":null}"#,
            r#"{"id":7,"n":null}"#,
            r#"{"id":8,"n":"<a>  b\nA\nc"}"#
        ]
    );
    assert_eq!(records(&workbook, &named("Lists")).await, [r#"{"id":1,"n":2}"#]);
    assert_eq!(bad(read_zip(&workbook, &named("B")).await).reason, Reason::NoTable);
    // Errors, formulas that nobody has computed, and cells under others.
    let row = |cell: &str| format!("<table:table-row>{}{cell}</table:table-row>", ods_number("1"));
    let rows = [
        row(
            "<table:table-cell office:value-type=\"string\" calcext:value-type=\"error\"><text:p>#DIV/0!</text:p></table:table-cell>",
        ),
        row(
            "<table:table-cell office:value-type=\"string\" calcext:value-type=\"error\"><text:p>Err:502</text:p></table:table-cell>",
        ),
        row(
            "<table:table-cell office:value-type=\"string\" calcext:value-type=\"error\"><text:p>#N/A</text:p></table:table-cell>",
        ),
        row("<table:table-cell table:formula=\"of:=1\"/>"),
        row(
            "<table:covered-table-cell office:value-type=\"float\" office:value=\"3\"><text:p>3</text:p></table:covered-table-cell>",
        ),
        row("<table:table-cell office:value-type=\"date\" office:date-value=\"2026-03-01\"/>"),
    ];
    let workbook = ods(&ods_table("A", "", &rows.concat()), "");
    assert_eq!(
        records(&workbook, &Options::default()).await,
        [
            "cell_error",
            "cell_error",
            r#"{"id":1,"n":null}"#,
            "cell_error",
            r#"{"id":1,"n":null}"#,
            r#"{"id":1,"n":"2026-03-01"}"#,
        ]
    );
}

#[tokio::test]
async fn sheets_of_open_document_are_bounded() {
    let text = |bytes: usize| {
        format!(
            "<table:table-cell office:value-type=\"string\"><text:p>{}</text:p></table:table-cell>",
            "x".repeat(bytes)
        )
    };
    let row = |cells: &str| ods_table("A", "", &format!("<table:table-row>{cells}</table:table-row>"));
    let repeated = text(1_000_000)
        .replace("office:value-type", "table:number-columns-repeated=\"999\" office:value-type");
    for (content, reason) in [
        (row(&text(5 << 20)), Reason::BlockTooLarge),
        (row(&text(1 << 20).repeat(5)), Reason::BlockTooLarge),
        (row(&repeated), Reason::BlockTooLarge),
        (row(&ods_number("1").repeat(5_000)), Reason::TooManyColumns),
        (row("<table:table-cell office:value-type=\"float\" office:value=\"x\"/>"), Reason::DamagedFile),
        (row("<table:table-cell table:number-columns-repeated=\"x\"/>"), Reason::DamagedFile),
        (
            row("<table:table-cell office:value-type=\"string\"><text:p>&b;</text:p></table:table-cell>"),
            Reason::DamagedFile,
        ),
        ("<!DOCTYPE a>".to_owned(), Reason::DamagedFile),
        ("<table:table></table:table>".to_owned(), Reason::NoTable),
    ] {
        let refused = refused(&ods(&content, "")).await;
        assert_eq!(refused.reason, reason, "{}", refused.message);
    }
    let encrypted = refused(&ods("x", "<manifest:encryption-data/>")).await;
    assert_eq!(encrypted.reason, Reason::EncryptedFile);
    // A row that is said to come a million times becomes as many lines as there may be.
    let many = ods_table(
        "A",
        "",
        &format!(
            "<table:table-row table:number-rows-repeated=\"1048570\">{}{}</table:table-row>",
            ods_number("1"),
            ods_number("2")
        ),
    );
    let limits = Limits { ratio_from_bytes: 1 << 20, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    assert_eq!(bad(read_zip(&ods(&many, ""), &options).await).reason, Reason::DecompressionBomb);
}
