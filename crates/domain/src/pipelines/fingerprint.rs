//! Whether two pipelines process objects alike.

use super::{Match, OnDelete, Pipeline};
use crate::job::digest;

impl Pipeline {
    /// Whether this pipeline makes of an object what `other` makes of it. Which objects it takes makes no difference, nor what
    /// becomes of records when their object is deleted, which is read from the file in use.
    #[must_use]
    pub fn processes_like(&self, other: &Self) -> bool {
        self.processing() == other.processing()
    }

    /// Eight hex digits by which people tell versions of a pipeline apart: the same for pipelines that process alike.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // A pipeline is made of texts, numbers and lists of them, which are JSON.
        let text = serde_json::to_string(&self.processing()).unwrap_or_default();
        let mut fingerprint = digest(["pipeline", &text]);
        fingerprint.truncate(8);
        fingerprint
    }

    fn processing(&self) -> Self {
        Self { matches: Match::default(), on_delete: OnDelete::default(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use crate::pipelines::Pipelines;

    #[test]
    fn a_fingerprint_tells_what_processes_otherwise() {
        let of = |keys: &str| {
            let text = format!("version = 1\n[[pipeline]]\nname = \"p\"\n{keys}\n");
            Pipelines::parse(&text, "p.toml").unwrap().get("p").unwrap().fingerprint()
        };
        assert_eq!(of("").len(), 8);
        assert_eq!(of(""), of("match = { prefix = \"uploads/\" }\non_delete = \"remove\""));
        assert_ne!(of(""), of("bad_rows = \"skip\""));
        assert_ne!(of("columns = { a = \"text\" }"), of("columns = { a = \"number\" }"));
    }
}
