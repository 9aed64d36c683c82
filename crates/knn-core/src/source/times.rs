//! Points in time and lengths of time: integers that count a unit, in whatever format they are stored.
//!
//! What declares one is called as zarr calls it, with the unit behind it between brackets: `numpy.datetime64[ns]`. A value is missing where it is
//! the least that there is (`NaT`), which is numpy's rule and that of none of the others, so formats that mark missing values fill it in.

use super::anndata::ColumnKind;

/// Points in time, counted from 1970.
pub(in crate::source) const DATETIME: &str = "numpy.datetime64";
/// Lengths of time.
pub(in crate::source) const TIMEDELTA: &str = "numpy.timedelta64";
/// Stands for a missing one.
pub(in crate::source) const NOT_A_TIME: i64 = i64::MIN;

/// Whether that is the name of either type, without a unit.
pub(in crate::source) fn is_time(name: &str) -> bool {
    [DATETIME, TIMEDELTA].contains(&name)
}

/// What declares one that counts `scale` times a unit; a unit that is not told is left out.
pub(in crate::source) fn declared(name: &str, unit: &str, scale: u64) -> String {
    match (unit, scale) {
        ("" | "generic", _) => name.to_owned(),
        (unit, 0 | 1) => format!("{name}[{unit}]"),
        (unit, scale) => format!("{name}[{scale}{unit}]"),
    }
}

/// What a column of such a type holds; none of another type.
pub(in crate::source) fn kind(dtype: &str) -> Option<ColumnKind> {
    let (name, unit) = match dtype.strip_suffix(']') {
        Some(inside) => inside.split_once('[')?,
        None => (dtype, ""),
    };
    match name {
        DATETIME => Some(ColumnKind::Datetime { unit: unit.into() }),
        TIMEDELTA => Some(ColumnKind::Timedelta { unit: unit.into() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_tells_what_it_counts() {
        let unit = |unit: &str| unit.to_owned();
        assert_eq!(kind(&declared(DATETIME, "ns", 1)), Some(ColumnKind::Datetime { unit: unit("ns") }));
        assert_eq!(kind(&declared(TIMEDELTA, "s", 10)), Some(ColumnKind::Timedelta { unit: unit("10s") }));
        assert_eq!(kind(&declared(DATETIME, "generic", 1)), Some(ColumnKind::Datetime { unit: unit("") }));
        assert_eq!(kind(DATETIME), Some(ColumnKind::Datetime { unit: unit("") }));
        for other in ["int64", "numpy.datetime64[ns", "r8[ns]", "]"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
