//! JSON of unknown origin: measured before it is parsed.

use serde::de::DeserializeOwned;

/// No `zarr.json` is larger; consolidated metadata of very wide stores reach tens of MiB.
pub(super) const LARGEST_JSON: u64 = 64 << 20;
/// No metadata nest deeper.
const DEEPEST_JSON: usize = 64;
/// More values than any metadata have; bounds the memory that a parsed document takes.
const MOST_VALUES: usize = 1 << 21;

/// Parses a document that is neither too deep nor too large. The error is a sentence.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    measure(text)?;
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Counts nesting and separators outside strings, without parsing. A malformed document is left to the parser.
fn measure(text: &[u8]) -> Result<(), String> {
    let (mut depth, mut values) = (0usize, 0usize);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                if depth > DEEPEST_JSON {
                    return Err(format!("nested deeper than {DEEPEST_JSON}"));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b':' => values += 1,
            _ => {}
        }
    }
    if values > MOST_VALUES {
        return Err(format!("more than {MOST_VALUES} values"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_and_wide_documents_are_refused_before_parsing() {
        let deep = "[".repeat(65) + &"]".repeat(65);
        assert!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().contains("deeper"));
        let allowed = "[".repeat(64) + &"]".repeat(64);
        assert!(parse::<serde_json::Value>(allowed.as_bytes()).is_ok());
        let wide = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert!(parse::<serde_json::Value>(wide.as_bytes()).unwrap_err().contains("values"));
        let text = r#"{"a": "[[[[ \" ,,,{"}"#;
        assert!(parse::<serde_json::Value>(text.as_bytes()).is_ok());
    }
}
