//! The places whose objects become jobs: a prefix of the stack's own bucket, and prefixes of buckets that were there before it.

use std::fmt;

use crate::object;

/// A bucket and what the keys of its watched objects begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket's name.
    pub bucket: String,
    /// The prefix; it ends in a slash.
    pub prefix: String,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    own: Place,
    existing: Vec<Place>,
}

impl Place {
    /// The places in a text such as `inbox/exports/,archive/2026/`: buckets, each with its prefix. A place without a bucket, which
    /// a parameter that is not used leaves, is left out. `None` if the text is something else.
    ///
    /// ```
    /// use domain::watched::Place;
    ///
    /// let places = Place::list("inbox/exports/,/,archive/2026/q1/").unwrap();
    /// assert_eq!(places.iter().map(ToString::to_string).collect::<Vec<_>>(), ["s3://inbox/exports/", "s3://archive/2026/q1/"]);
    /// assert_eq!(Place::list("inbox"), None);
    /// ```
    #[must_use]
    pub fn list(text: &str) -> Option<Vec<Self>> {
        let places = text.split(',').map(|place| {
            let (bucket, prefix) = place.split_once('/')?;
            Some(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        });
        let mut places = places.collect::<Option<Vec<Self>>>()?;
        places.retain(|place| !place.bucket.is_empty());
        Some(places)
    }

    fn holds(&self, bucket: &str, key: &str) -> bool {
        self.bucket == bucket && key.starts_with(&self.prefix)
    }
}

/// As a person writes it: `s3://bucket/prefix/`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&object::uri(&self.bucket, &self.prefix))
    }
}

impl Watched {
    /// The place in the stack's own bucket, and those in others.
    #[must_use]
    pub fn new(own: Place, existing: Vec<Place>) -> Self {
        Self { own, existing }
    }

    /// All places, the own one first.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.own).chain(&self.existing)
    }

    /// Whether objects under this key are watched.
    #[must_use]
    pub fn holds(&self, bucket: &str, key: &str) -> bool {
        self.places().any(|place| place.holds(bucket, key))
    }

    /// Whether an event of this object is for the stack: the object is watched, or a sender says that it is of a bucket which the
    /// stack does not know, under the prefix of its own.
    #[must_use]
    pub fn takes_event(&self, bucket: &str, key: &str) -> bool {
        let is_known = self.places().any(|place| place.bucket == bucket);
        self.holds(bucket, key) || (!is_known && key.starts_with(&self.own.prefix))
    }
}

/// The places, in words: `s3://a/uploads/, s3://b/exports/`.
impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.places().map(ToString::to_string).collect();
        f.write_str(&places.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_is_watched_under_its_own_prefix() {
        let own = Place { bucket: "own".into(), prefix: "uploads/".into() };
        let watched = Watched::new(own, Place::list("inbox/exports/,inbox/more/,/").unwrap());
        for (bucket, key, holds, takes) in [
            ("own", "uploads/a.csv", true, true),
            ("own", "exports/a.csv", false, false),
            ("inbox", "exports/a.csv", true, true),
            ("inbox", "more/a.csv", true, true),
            ("inbox", "uploads/a.csv", false, false),
            ("unknown", "uploads/a.csv", false, true),
            ("unknown", "exports/a.csv", false, false),
        ] {
            assert_eq!(watched.holds(bucket, key), holds, "{bucket}/{key}");
            assert_eq!(watched.takes_event(bucket, key), takes, "{bucket}/{key}");
        }
        assert_eq!(watched.to_string(), "s3://own/uploads/, s3://inbox/exports/, s3://inbox/more/");
    }
}
