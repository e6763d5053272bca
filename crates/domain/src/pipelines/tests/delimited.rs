//! What a pipeline says about delimited text.

use super::*;

const ALL: &str = r##"
header = ["id", "name"]
skip_lines = 2
comment = "#"
quote = "none"
escape = "\\"
nulls = ["\\N", "NULL"]
decimal = ","
thousands = "."
trim = true
short_rows = "null"
extra_columns = "ignore_empty"
duplicate_names = "number"
unnamed = "number"
encoding = "Windows-1252"
max_rejected = "0.5%"
bad_rows = "skip"
delimiter = ";"
key = "{id}"
columns = { name = "text" }
"##;

#[test]
fn all_that_can_be_said_is_kept_and_stored() {
    let pipelines = parse(&format!("version = 1\n[[pipeline]]\nname = \"a\"\n{ALL}"));
    let pipeline = pipelines.get("a").unwrap();
    let said = &pipeline.delimited;
    assert_eq!(said.header, Some(Header::Names(vec!["id".to_owned(), "name".to_owned()])));
    assert_eq!((said.skip_lines, said.comment.as_deref()), (Some(2), Some("#")));
    assert_eq!((said.quote, said.escape), (Some(Sign::None), Some(Sign::Is(b'\\'))));
    assert_eq!(said.nulls.as_deref().unwrap(), ["\\N", "NULL"]);
    assert_eq!((said.decimal, said.thousands, said.trim), (Some(','), Some('.'), Some(true)));
    assert_eq!((said.short_rows, said.extra_columns), (ShortRows::Null, ExtraColumns::IgnoreEmpty));
    assert_eq!((said.duplicate_names, said.unnamed), (Names::Number, Names::Number));
    assert_eq!((pipeline.encoding.as_deref(), pipeline.max_rejected), (Some("windows-1252"), Some(50)));
    let json = serde_json::to_string(pipeline).unwrap();
    assert!(json.starts_with(r#"{"v":2,"#), "{json}");
    assert_eq!(&serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
}

#[test]
fn the_sheet_of_a_workbook_is_kept_and_stored() {
    let keys = "format = \"sheet\"\nsheet = \"Orders, May\"\nheader = 2\nnulls = [\"#REF!\"]\nskip_lines = 1";
    let pipelines = parse(&format!("version = 1\n[[pipeline]]\nname = \"a\"\n{keys}\n"));
    let pipeline = pipelines.get("a").unwrap();
    assert_eq!((pipeline.format, pipeline.sheet.as_deref()), (Format::Sheet, Some("Orders, May")));
    let json = serde_json::to_string(pipeline).unwrap();
    assert_eq!(&serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
    // A reader that does not know the key would read another sheet.
    let only = parse("version = 1\n[[pipeline]]\nname = \"a\"\nsheet = \"May\"\n");
    assert!(serde_json::to_string(only.get("a").unwrap()).unwrap().starts_with(r#"{"v":2,"#));
}

#[test]
fn the_files_of_an_archive_are_kept_and_stored() {
    let pipelines =
        parse("version = 1\n[[pipeline]]\nname = \"a\"\nformat = \"csv\"\nentry = \"data/*.csv\"\n");
    let pipeline = pipelines.get("a").unwrap();
    assert!(
        pipeline.entry.as_ref().is_some_and(|entry| entry.takes("data/a.csv") && !entry.takes("notes.txt"))
    );
    let json = serde_json::to_string(pipeline).unwrap();
    assert!(json.starts_with(r#"{"v":2,"#) && json.contains(r#""entry":"data/*.csv""#), "{json}");
    assert_eq!(&serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
}

#[test]
fn what_is_wrong_is_said_with_what_is_allowed() {
    for (lines, words) in [
        ("header = 0", "a number of rows from 1 to 10, or a list of names"),
        ("header = 11", "a number of rows from 1 to 10"),
        ("header = []", "1 to 1000 of them"),
        ("header = [\"a\", \"a\"]", "name 2 (\"a\") occurs twice"),
        ("header = [\"a\", \" \"]", "is empty"),
        ("header = [\"_row\"]", "the pipeline uses itself"),
        ("skip_lines = -1", "0 to 1000 lines"),
        ("comment = \"\"", "printable ASCII"),
        ("quote = \"`\"", "\"none\""),
        ("escape = \"^\"", "\"none\""),
        ("nulls = \"NULL\"", "a list of up to 64 short texts"),
        ("decimal = \";\"", "\",\""),
        ("thousands = \"x\"", "no-break space"),
        ("trim = \"yes\"", "true or false"),
        ("short_rows = \"nul\"", "did you mean \"null\"?"),
        ("extra_columns = \"ignore\"", "\"ignore_empty\""),
        ("duplicate_names = 1", "\"number\""),
        ("unnamed = \"x\"", "\"number\""),
        ("encoding = \"ansi\"", "windows-1252"),
        ("max_rejected = \"101%\"", "from 0% to 100%"),
        ("max_rejected = 1", "such as \"1%\""),
        ("bad_rows = \"repair\"\nmax_repaired = \"half\"", "such as \"1%\""),
        ("bad_rows = \"repair\"\nformat = \"jsonl\"", "only with format \"csv\" or \"auto\""),
        ("bad_rows = \"skip\"\nmax_repaired = \"1%\"", "only with bad_rows \"repair\""),
        ("delimiter = \"::\"", "\"none\""),
        ("format = \"jsonl\"\ntrim = true", "only with format"),
        ("format = \"object\"\nencoding = \"utf-8\"", "not with format"),
        ("format = \"sheet\"\nencoding = \"utf-8\"", "which read bytes"),
        ("format = \"sheet\"\ndelimiter = \";\"", "only with format \"csv\" or \"auto\""),
        ("format = \"sheet\"\nquote = \"none\"", "only with format \"csv\" or \"auto\""),
        ("format = \"csv\"\nsheet = \"May\"", "only with format \"sheet\" or \"auto\""),
        ("sheet = \"\"", "the name of a sheet"),
        ("entry = \"\"", "the path of a file in a zip archive"),
        ("entry = \"a***\"", "the path of a file in a zip archive"),
        ("entry = \"data\\\\a.csv\"", "the path of a file in a zip archive"),
        ("format = \"parquet\"\nentry = \"a\"", "only with a format that is read from zip archives"),
    ] {
        let complaint = complaint(lines);
        assert!(complaint.contains(words), "{lines}: {complaint}");
    }
}

/// Each of these would fail every object, so it is refused before there is one.
#[test]
fn what_would_fail_every_object_is_refused() {
    for (lines, words) in [
        ("delimiter = \"#\"\ncomment = \"#\"", "another sign than that of delimiter"),
        ("quote = \"'\"\ncomment = \"'x\"", "another sign than that of quote"),
        ("max_rejected = \"1%\"", "only with bad_rows"),
        ("thousands = \".\"", "another sign than that of decimal"),
        ("decimal = \",\"\nthousands = \",\"", "another sign than that of decimal"),
        ("header = [\"a\"]\ncolumns = { b = \"text\" }", "header does not name this column; it names a"),
        ("header = [\"a\"]\nkey = \"{b}\"", "`b` is none of them"),
        ("header = false\nkey = \"{id}\"", "`id` is none"),
        ("header = false\ncolumns = { zip = \"text\" }", "a name such as column_1"),
        ("header = false\ncolumns = { column_01 = \"text\" }", "a name such as column_1"),
        ("delimiter = \"none\"\nheader = [\"a\", \"b\"]", "one column at most"),
        ("delimiter = \"none\"\nkey = \"{a}/{b}\"", "one column at most"),
        ("delimiter = \"none\"\nkey = \"{a}\"\ncolumns = { b = \"text\" }", "one column at most"),
        ("records = \"/a\"\ndelimiter = \";\"", "not with records"),
        ("records = \"/a\"\nheader = true", "not with records"),
        ("records = \"/a\"\nsheet = \"May\"", "not with records"),
        ("columns = { _row = \"number\" }", "records use themselves"),
        ("max_cost = \"$0.0000001\"", "which one record costs"),
        ("match = { suffix = \"*.csv\" }", "* is no wildcard"),
        ("match = { prefix = \"uploads/*\" }", "* is no wildcard"),
    ] {
        let complaint = complaint(lines);
        assert!(complaint.contains(words), "{lines}: {complaint}");
    }
    for keys in [
        "delimiter = \"\\u0001\"\nheader = false",
        "header = false\nkey = \"{column_1}\"\ncolumns = { column_12 = \"text\" }",
        "delimiter = \"none\"\nheader = [\"a\"]\nkey = \"{a}\"",
        "records = \"/a\"\nnulls = [\"NaN\"]",
        "max_cost = \"$0.00001\"",
    ] {
        parse(&format!("version = 1\n[[pipeline]]\nname = \"a\"\n{keys}\n"));
    }
}

#[test]
fn a_prefix_that_is_not_watched_is_refused_where_that_is_known() {
    let text = |prefix: &str| {
        format!("version = 1\n[[pipeline]]\nname = \"a\"\nmatch = {{ prefix = \"{prefix}\" }}\n")
    };
    for prefix in ["uploads/", "uploads/a", "up"] {
        Pipelines::parse_watched(&text(prefix), "p.toml", &["uploads/"]).unwrap();
    }
    let error =
        Pipelines::parse_watched(&text("customers/"), "p.toml", &["uploads/"]).unwrap_err().to_string();
    let expected =
        "p.toml:4:20: pipeline[1].match.prefix: found \"customers/\"; allowed: a prefix below uploads/";
    assert!(error.starts_with(expected), "{error}");
    parse(&text("customers/"));
}
