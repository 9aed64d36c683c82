//! The kernels by name, and what each of them needs.

/// A kernel as it is asked for. What it weighs by is known once the graph is stored: that is a [`super::Kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the formulas stand in the file of each")]
pub enum KernelMethod {
    Gauss,
    Scarches,
    ScarchesLocal,
    InverseDistance,
    Equal,
    Random,
    Umap,
    AdaptiveGauss,
    Jaccard,
    Hnoca,
    HnocaKnn,
}

/// How the two directions of an edge become one weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symmetrize {
    /// They do not: a row has the edges that leave it.
    None,
    /// The larger.
    Max,
    /// The mean, where a direction that is not there counts as 0.
    Mean,
    /// a + b − ab, of strengths between 0 and 1.
    Union,
}

impl Symmetrize {
    /// Every way there is.
    pub const ALL: [Self; 4] = [Self::None, Self::Max, Self::Mean, Self::Union];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Union => "union",
        }
    }

    /// The way of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// One weight of two.
    pub(super) fn combine(self, leaving: f64, entering: f64) -> f64 {
        match self {
            Self::None => leaving,
            Self::Max => leaving.max(entering),
            Self::Mean => f64::midpoint(leaving, entering),
            Self::Union => leaving + entering - leaving * entering,
        }
    }
}

impl KernelMethod {
    /// Every kernel there is.
    pub const ALL: [Self; 11] = [
        Self::Gauss,
        Self::Scarches,
        Self::ScarchesLocal,
        Self::InverseDistance,
        Self::Equal,
        Self::Random,
        Self::Umap,
        Self::AdaptiveGauss,
        Self::Jaccard,
        Self::Hnoca,
        Self::HnocaKnn,
    ];

    /// Its name, which is CellMapper's where that has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauss => "gauss",
            Self::Scarches => "scarches",
            Self::ScarchesLocal => "scarches_local",
            Self::InverseDistance => "inverse_distance",
            Self::Equal => "equal",
            Self::Random => "random",
            Self::Umap => "umap",
            Self::AdaptiveGauss => "adaptive_gauss",
            Self::Jaccard => "jaccard",
            Self::Hnoca => "hnoca",
            Self::HnocaKnn => "hnoca_knn",
        }
    }

    /// The kernel of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether one bandwidth σ serves all cells: it may be pinned, and is stored.
    pub fn has_bandwidth(self) -> bool {
        matches!(self, Self::Gauss | Self::Scarches)
    }

    /// Whether the weight of an edge follows from the distances of the row that it leaves.
    pub fn weighs_rows_alone(self) -> bool {
        matches!(self, Self::Gauss | Self::Scarches | Self::ScarchesLocal | Self::InverseDistance | Self::Equal)
    }

    /// Whether it counts neighbours that two cells share. Then the four graphs between and within both stores are needed.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Jaccard | Self::Hnoca | Self::HnocaKnn)
    }

    /// Whether it weighs distances, which an inner product is not.
    pub fn weighs_distances(self) -> bool {
        !self.is_shared() && !matches!(self, Self::Equal | Self::Random)
    }

    /// Whether it looks at both ends of an edge alike, which only the graph of one store has.
    pub fn is_within(self) -> bool {
        matches!(self, Self::Umap | Self::AdaptiveGauss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_found_by_its_name() {
        for method in KernelMethod::ALL {
            assert_eq!(KernelMethod::from_name(method.name()), Some(method));
        }
        assert_eq!(KernelMethod::from_name("gaus"), None);
        for way in Symmetrize::ALL {
            assert_eq!(Symmetrize::from_name(way.name()), Some(way));
        }
    }
}
