use super::*;
use crate::job::{Failed, Job};

/// Every code of every table.
fn all() -> impl Iterator<Item = ReasonCode> {
    let verdicts = Kind::ALL.iter().copied().map(ReasonCode::from);
    let of_objects = bad_input::Reason::ALL.iter().copied().map(ReasonCode::from);
    verdicts.chain(of_objects).chain(Unusable::ALL.iter().copied().map(ReasonCode::from))
}

#[test]
fn every_code_has_a_word_of_its_own_and_reads_back_from_it() {
    let mut words = std::collections::BTreeSet::new();
    for code in all() {
        let word = code.as_str();
        assert!(word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit()), "{word}");
        assert!(words.insert(word.to_owned()), "{word} is in two rows");
        let stored = serde_json::to_string(&code).unwrap();
        assert_eq!(stored, format!("\"{word}\""));
        assert_eq!(serde_json::from_str::<ReasonCode>(&stored).unwrap(), code);
    }
}

#[test]
fn a_word_that_no_table_has_is_carried() {
    let stored = r#"{"code":"ClusterNotFoundException","message":"no cluster"}"#;
    let reason: Reason = serde_json::from_str(stored).unwrap();
    assert_eq!(reason.code, ReasonCode::Other("ClusterNotFoundException".into()));
    assert_eq!(serde_json::to_string(&reason).unwrap(), stored);
    assert_eq!((reason.code.verdict(), reason.code.as_str()), (None, "ClusterNotFoundException"));
}

#[test]
fn every_advice_fits_what_happened() {
    for code in all() {
        let advice = code.advice();
        assert!(advice.ends_with('.') && advice.len() > 20, "{code}: {advice}");
        let of_object = code.verdict() == Some(Kind::BadInput);
        assert_eq!(
            advice.contains("The new version is processed automatically"),
            of_object,
            "{code}: {advice}"
        );
        let Some(kind) = code.verdict() else { continue };
        // Only an object that was refused is to be fixed: whatever is tried again may have another cause.
        assert!(of_object || !advice.contains("Fix the object"), "{code}: {advice}");
        if !kind.row().counts_against_object {
            let blames = ["upload the object", "upload the file", "Fix the object"];
            assert!(!blames.iter().any(|words| advice.contains(words)), "{code}: {advice}");
        }
    }
}

#[test]
fn what_a_command_printed_is_not_the_objects_fault() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let failed = |pipeline: &str, code: ReasonCode| {
        Job::sample(pipeline, now)
            .in_state(Failed { reason: Reason::new(code, "words"), ..Failed::sample("", now) })
    };
    let command = "format = \"command\"\ncommand = [\"cat\"]\n";
    let syntax = ReasonCode::BadInput(bad_input::Reason::JsonSyntax);
    assert!(failed("", syntax.clone()).advice().contains("Write valid JSON"));
    assert!(failed(command, syntax).advice().contains("Fix the command"));
    assert!(failed(command, Kind::BadInput.into()).advice().contains("Fix the object"));
}
