//! What is left in doubt is refused or said: totals, names of texts, empty objects, many fractions.

use domain::pipelines::{Delimited, Header};

use super::*;

#[tokio::test]
async fn a_row_of_totals_as_wide_as_the_table_is_no_record() {
    for (text, words) in [
        ("item,shelf,pieces\nbolt,A,7\nnut,B,5\nTotal,,12\n", "\"pieces\" has the sum of its column"),
        ("item,pieces\nbolt,7\nnut,5\nSumme:,12\n", "the sum of its column"),
        ("id,item,price\n1,bolt,0.25\n2,nut,1.50\n3,lamp,2\nTotal,,3.75\n", "\"price\" has the sum"),
        (
            "id,item,price\n1,bolt,0.25\n2,nut,1.50\n3,lamp,2\nTotal,,9\n",
            "all rows above have numbers in \"id\"",
        ),
        (
            "item;shelf;pieces\nbolt;A;7\nnut;B;5\nlamp;C;1\nGesamt;;99\n",
            "\"shelf\" is empty, as in no row above",
        ),
        ("item,pieces\nbolt,7\nnut,5\nSubtotal,12\nlamp,1\n", "the sum of its column"),
    ] {
        let refused = bad(check(text.as_bytes(), &Options::default(), Tolerance::None).await);
        assert_eq!(refused.reason, Reason::TotalsRow, "{text}");
        assert!(refused.message.contains(words), "{text}: {}", refused.message);
        let (checked, rows) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!((checked.rejected, checked.schema.totals.len()), (1, 1), "{text}");
        let last = &checked.schema.columns[checked.schema.columns.len() - 1];
        assert_eq!(last.kind, ColumnType::Number, "{text}");
        assert_eq!(rows.iter().filter(|row| row.content.is_err()).count(), 1, "{text}");
    }
    for text in [
        "brand,model,price\nTotal,A,7\nShell,B,5\nTotal,C,9\n",
        "word,count\nsum,7\ntotal,5\nother,3\n",
        "item,pieces\nbolt,7\nnut,5\nTotally,12\n",
        "item,shelf,pieces\nbolt,,7\nnut,B,5\nlamp,C,1\nTotal,,99\n",
    ] {
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!(checked.rejected, 0, "{text}");
    }
}

#[tokio::test]
async fn a_first_row_of_texts_that_looks_like_the_others_is_no_header() {
    for text in [
        "Oslo,Norway\nBergen,Norge\nLund,Sweden\nVisby,Gotland\n",
        "bolt;grey\nnut;black\nlamp;white\nrope;blue\n",
        "Ida\tBerg\nPer\tLund\nKari\tDal\nNils\tEk\n",
    ] {
        let refused = bad(check(text.as_bytes(), &Options::default(), Tolerance::None).await);
        assert_eq!(refused.reason, Reason::NoHeader, "{text}: {}", refused.message);
        for header in [true, false] {
            let table = Delimited { header: Some(Header::InFirstRow(header)), ..Delimited::default() };
            let options = Options { table, ..Options::default() };
            let (checked, _) = read(text.as_bytes(), &options).await.unwrap();
            assert_eq!(checked.rows, if header { 3 } else { 4 }, "{text}");
        }
    }
    for text in [
        "city,land\nOslo,Norway\nBergen,Norway\nLund,Sweden\n",
        "first_part,second\nbolt,grey\nnut,black\nlamp,white\n",
        "CITY,LAND\nOslo,Norway\nBergen,Norway\nLund,Sweden\n",
        "Ort;Kennzeichen\nKiel;KI\nBonn;BN\nHof;HO\n",
        "a,b\nx,y\n",
    ] {
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!(checked.rows as usize, text.lines().count() - 1, "{text}");
    }
}

#[tokio::test]
async fn an_empty_object_lacks_declared_columns() {
    let id = declared(&[("id", ColumnType::Number)]);
    for text in ["", "\n", "\n\n\r\n"] {
        let refused = bad(check(text.as_bytes(), &id, Tolerance::None).await);
        assert_eq!(refused.reason, Reason::UnknownColumn, "{text:?}: {}", refused.message);
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!(checked.rows, 0, "{text:?}");
    }
    let (checked, _) = read(b"id,name\n", &id).await.unwrap();
    assert_eq!((checked.rows, checked.schema.columns[0].kind), (0, ColumnType::Number));
    let refused = bad(check(&b"name,other\n"[..], &id, Tolerance::None).await);
    assert_eq!(refused.reason, Reason::UnknownColumn);
}

#[tokio::test]
async fn a_column_of_any_size_with_two_spellings_is_text_and_says_so() {
    let mut text = "id,measured,version\n".to_owned();
    for row in 1..6_000 {
        text += &format!("{row},{}.{:03}1,{}.{}\n", row % 97, row, row, row % 9 + 1);
    }
    text += "6000,1.5,5999.50\n";
    let last = format!("{}", 5999 % 9 + 1);
    text = text.replace("5999.50", &format!("5999.{last}0"));
    let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
    let kinds: Vec<ColumnType> = checked.schema.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnType::Number, ColumnType::Number, ColumnType::Text]);
    assert!(checked.notes.iter().any(|note| note.contains("two spellings")), "{:?}", checked.notes);
}

#[tokio::test]
async fn a_long_first_line_of_a_dynamodb_export_has_to_be_declared() {
    let long = "x".repeat(100_000);
    for item in [
        format!("{{\"Item\":{{\"id\":{{\"S\":\"{long}\"}}}}}}\n"),
        format!("{{ \"Item\" : {{ \"a \\\" b\" : {{ \"L\" : [{{\"S\":\"{long}\"}}]}}}}}}\n"),
    ] {
        let refused =
            bad(check(arriving(item.as_bytes(), 7_000), &Options::default(), Tolerance::None).await);
        assert_eq!(refused.reason, Reason::UnclearRecords, "{}", refused.message);
        let options = Options { format: Format::DynamodbJson, ..Options::default() };
        assert_eq!(read(item.as_bytes(), &options).await.unwrap().0.rows, 1);
    }
    let other = format!("{{\"Item\":{{\"id\":\"{long}\"}}}}\n");
    assert_eq!(read(other.as_bytes(), &Options::default()).await.unwrap().0.rows, 1);
}
