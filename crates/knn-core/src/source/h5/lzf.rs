//! LZF, the compression of h5py's `compression="lzf"` (filter 32000), after Marc Lehmann's liblzf 3.6: a control byte below
//! 32 is followed by so many literals and one; any other starts a reference to what was already written.

/// Three bytes make at most so many: the length of the longest reference.
const LONGEST_REFERENCE: usize = 264;

/// Appends what `input` decodes to, at most `most` bytes, to `out`.
pub(super) fn decode(input: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.reserve(most.min((input.len() / 3 + 1).saturating_mul(LONGEST_REFERENCE)));
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        let control = usize::from(control);
        if control < 32 {
            let (literals, after) = rest.split_at_checked(control + 1).ok_or("lzf: ends within literals")?;
            if out.len() - start + literals.len() > most {
                return Err(format!("lzf: decodes to more than {most} bytes"));
            }
            out.extend_from_slice(literals);
            rest = after;
            continue;
        }
        let mut length = control >> 5;
        let mut next = || {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            Some(usize::from(byte))
        };
        if length == 7 {
            length += next().ok_or("lzf: ends within a reference")?;
        }
        let back = ((control & 0x1f) << 8) + next().ok_or("lzf: ends within a reference")? + 1;
        let length = length + 2;
        let written = out.len() - start;
        if back > written {
            return Err("lzf: refers to before its beginning".into());
        }
        if written + length > most {
            return Err(format!("lzf: decodes to more than {most} bytes"));
        }
        // A reference may reach into what it writes itself, so it goes in steps of its distance.
        let from = out.len() - back;
        let mut done = 0;
        while done < length {
            let step = (length - done).min(back + done);
            out.extend_from_within(from..from + step);
            done += step;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8], most: usize) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        decode(input, most, &mut out).map(|()| out)
    }

    #[test]
    fn literals_and_references_are_what_liblzf_writes() {
        assert_eq!(decoded(&[2, b'a', b'b', b'c'], 9).unwrap(), b"abc");
        // Three back, four bytes: the reference overlaps itself.
        assert_eq!(decoded(&[2, b'a', b'b', b'c', 0x40, 2], 9).unwrap(), b"abcabca");
        // The longest reference to the last byte.
        let run = decoded(&[0, b'x', 0xe0, 255, 0], 300).unwrap();
        assert_eq!(run, [b'x'; 265]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (input, most) in [
            (&[2, b'a', b'b'][..], 9),
            (&[0, b'a', 0x20], 9),
            (&[0, b'a', 0xe0], 9),
            (&[0, b'a', 0x20, 1], 9),
            (&[0, b'a', 0x20, 0], 3),
            (&[2, b'a', b'b', b'c'], 2),
        ] {
            assert!(decoded(input, most).is_err(), "{input:?}");
        }
    }
}
