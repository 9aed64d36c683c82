//! How many lists a row looks in.

/// What being farther than the nearest list costs a list, in ranks: so many for each squared spacing of the centroids.
const RANKS_PER_SPACING: f64 = 10.0;

/// The lists that a row looks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    /// So many, the nearest.
    Nearest(usize),
    /// Of so many n, the nearest, those that are not much farther than the first. With d(r) the distance to the centroid of rank r, from
    /// 0, and s the spacing of centroids, the lists with `r + 10 · (d(r)² − d(0)²) / s² < n`; all lists where n is their number.
    ///
    /// A row in the middle of its list looks in few lists, a row where many lists meet in many. For the same recall about a tenth fewer rows, and
    /// up to a fifth at a high one, are scanned than with a fixed number.
    Near(usize),
}

impl Probes {
    /// Lists that a row looks in at most.
    pub fn most(self) -> usize {
        match self {
            Self::Nearest(most) | Self::Near(most) => most,
        }
    }

    /// Of the same kind, with this most.
    #[must_use]
    pub fn with(self, most: usize) -> Self {
        match self {
            Self::Nearest(_) => Self::Nearest(most),
            Self::Near(_) => Self::Near(most),
        }
    }

    /// No list is looked in that is farther, squared, than the first by more than this, in squared spacings; none if that is not so.
    pub(super) fn reach(self, nlist: usize) -> Option<f64> {
        match self {
            Self::Near(most) if most < nlist => Some(most as f64 / RANKS_PER_SPACING),
            _ => None,
        }
    }

    /// How many of a row's lists it looks in: `excess` are their squared distances beyond the first's, ascending, in squared spacings.
    pub(super) fn kept(self, nlist: usize, excess: impl Iterator<Item = f64>) -> usize {
        match self {
            Self::Nearest(most) => most,
            Self::Near(most) if most >= nlist => most,
            Self::Near(most) => excess
                .zip(0u32..)
                .take_while(|&(excess, rank)| f64::from(rank) + RANKS_PER_SPACING * excess < most as f64)
                .count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_lists_are_left_out_unless_all_are_asked_for() {
        let excess = [0.0, 0.1, 0.15, 0.5, 0.9];
        let kept = |probes: Probes| probes.kept(5, excess.into_iter());
        assert_eq!(kept(Probes::Nearest(3)), 3);
        assert_eq!([1, 2, 3, 4].map(|most| kept(Probes::Near(most))), [1, 1, 2, 3]);
        assert_eq!(kept(Probes::Near(5)), 5);
        assert_eq!((Probes::Near(7).with(2), Probes::Nearest(3).with(4)), (Probes::Near(2), Probes::Nearest(4)));
    }
}
