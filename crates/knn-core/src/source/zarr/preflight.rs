//! What can be known of an array without decoding it, checked before work starts: that its objects are all there, that
//! shard indexes are whole and point inside their shards, that lengths are possible. A run that would fail on the last
//! shard after a day should fail now.

use rayon::prelude::*;

use super::array::ZarrArray;
use crate::error::Result;
use crate::source::container::Missing;

impl ZarrArray {
    /// Checks everything that is stored of the array, in parallel on the caller's rayon pool.
    pub fn preflight(&self) -> Result<()> {
        let objects = self.objects()?;
        if self.missing() == Missing::AllOrNone && !objects.is_empty() {
            self.check_complete(&objects)?;
        }
        if self.missing() == Missing::Bands && !objects.is_empty() {
            self.check_rows(&objects)?;
        }
        objects.par_iter().try_for_each(|coordinates| {
            let key = self.key(coordinates);
            let Some(object) = self.store().object(&key)? else { return Ok(()) };
            let spans = self.spans(coordinates, &object)?;
            for (slot, (_, length)) in spans.iter().enumerate().filter_map(|(slot, span)| Some((slot, (*span)?))) {
                self.check_length(&object, &format!("inner chunk {slot} of the object"), length)?;
            }
            Ok(())
        })
    }

    /// Names the first rows of which no object is there.
    fn check_rows(&self, sorted: &[Vec<u64>]) -> Result<()> {
        let counts = self.metadata().grid.objects();
        let mut next = 0;
        for &row in sorted.iter().filter_map(|object| object.first()) {
            if row > next {
                break;
            }
            next = row + 1;
        }
        let mut coordinates = vec![0; counts.len()];
        match coordinates.first_mut() {
            Some(first) if next < counts[0] => *first = next,
            _ => return Ok(()),
        }
        Err(self.lost(&self.key(&coordinates)))
    }

    /// Names the first object that is missing. The walk stops there, so it is no longer than what exists.
    fn check_complete(&self, sorted: &[Vec<u64>]) -> Result<()> {
        let counts = self.metadata().grid.objects();
        let mut expected = vec![0u64; counts.len()];
        for found in sorted {
            if *found != expected {
                return Err(self.lost(&self.key(&expected)));
            }
            for axis in (0..counts.len()).rev() {
                expected[axis] += 1;
                if expected[axis] < counts[axis] || axis == 0 {
                    break;
                }
                expected[axis] = 0;
            }
        }
        if expected.first() == counts.first() { Ok(()) } else { Err(self.lost(&self.key(&expected))) }
    }
}
