//! A request as the text that it arrives as. What is wrong with one is told of the option that it is wrong with.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// What a type is called by whoever reads it.
const EXPECTED: [(&str, &str); 7] = [
    ("i64", "must be a whole number"),
    ("u64", "must be a whole number of at least 0"),
    ("f64", "must be a number"),
    ("a string", "must be a text"),
    ("a boolean", "must be true or false"),
    ("a sequence", "must be a list"),
    ("a tuple of size 2", "must be two values"),
];

/// Reads a request; `GM_PARAM` of an option that there is not, or of a value of another type.
pub fn read_request<T: DeserializeOwned>(text: &str) -> Result<T> {
    let error = match serde_json::from_str(text) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    let fields: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    // The text as a whole says where it stopped, and each option by itself whether it was that.
    for (name, value) in fields {
        let alone = Value::Object([(name.clone(), value.clone())].into_iter().collect());
        let Err(error) = serde_json::from_value::<T>(alone) else { continue };
        let reason = error.to_string();
        if !reason.starts_with("missing field") {
            let shown = if let Value::String(text) = value { text } else { value.to_string() };
            return Err(Error::param(name, shown, plain(&reason)));
        }
    }
    Err(Error::param("request", text, error.to_string()))
}

/// A reason without the names of Rust's types.
fn plain(reason: &str) -> String {
    let expected = reason.rsplit_once("expected ").map(|(_, expected)| expected);
    let known = EXPECTED.iter().find(|(kind, _)| expected == Some(kind));
    known.map_or_else(|| reason.to_owned(), |(_, plain)| (*plain).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::request::{MapRequest, PresenceRequest};

    fn wrong<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> (String, String, String) {
        let error = read_request::<T>(text).unwrap_err();
        assert_eq!(error.code(), "GM_PARAM", "{error}");
        let field = |name: &str| error.details()[name].as_str().unwrap().to_owned();
        (field("name"), field("value"), field("reason"))
    }

    #[test]
    fn what_is_wrong_is_told_of_the_option_that_it_is_wrong_with() {
        let of = |name: &str, value: &str, reason: &str| (name.to_owned(), value.to_owned(), reason.to_owned());
        let whole = of("nNeighbors", "2.5", "must be a whole number");
        assert_eq!(wrong::<MapRequest>(r#"{"query":"q","nNeighbors":2.5}"#), whole);
        assert_eq!(wrong::<MapRequest>(r#"{"query":3,"recall":0.5}"#), of("query", "3", "must be a text"));
        assert_eq!(wrong::<MapRequest>(r#"{"obsKeys":"a"}"#), of("obsKeys", "a", "must be a list"));
        assert_eq!(wrong::<MapRequest>(r#"{"resume":1}"#), of("resume", "1", "must be true or false"));
        assert_eq!(wrong::<PresenceRequest>(r#"{"percentile":[1]}"#), of("percentile", "[1]", "must be two values"));
        let (name, _, reason) = wrong::<MapRequest>(r#"{"query":"q","neighbours":5}"#);
        assert!(name == "neighbours" && reason.starts_with("unknown field"), "{name}: {reason}");
        assert_eq!(wrong::<MapRequest>("{").0, "request");
        assert_eq!(read_request::<MapRequest>(r#"{"query":"q"}"#).unwrap().query, "q");
    }
}
