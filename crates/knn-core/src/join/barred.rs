//! What may not become a query's neighbour: the query itself, where it is a reference too, and references of its own batch.
//!
//! What is barred never enters the buffers of candidates, so that it neither takes a neighbour's place nor bounds the distance of others:
//! the k nearest are those of all others, exactly, as if the references of the batch were not there.

/// A batch that a query or a reference has not: it bars nothing.
pub const NO_QUERY_BATCH: u32 = u32::MAX;
/// The same of a reference, which is another number, because two that have none are not alike.
pub const NO_REFERENCE_BATCH: u32 = u32::MAX - 1;

/// What is barred, for each of some queries.
#[derive(Debug, Clone, Copy)]
pub struct Barred<'a> {
    /// The id of each query, where queries are references themselves.
    pub own: Option<&'a [i64]>,
    /// The batch of each query, and those of the references.
    pub batches: Option<(&'a [u32], Batches<'a>)>,
}

/// Batches of the references.
#[derive(Debug, Clone, Copy)]
pub struct Batches<'a> {
    /// That of each, by id.
    pub of: &'a [u32],
    /// How many references have each.
    pub counts: &'a [u64],
}

impl<'a> Barred<'a> {
    /// Nothing.
    pub const NONE: Self = Self { own: None, batches: None };

    /// Each query itself, if it has an id.
    pub fn own(own: Option<&'a [i64]>) -> Self {
        Self { own, batches: None }
    }

    /// What is barred for some of the queries, which follow each other.
    #[must_use]
    pub fn part(self, queries: std::ops::Range<usize>) -> Self {
        let own = self.own.map(|own| &own[queries.clone()]);
        Self { own, batches: self.batches.map(|(batches, references)| (&batches[queries], references)) }
    }

    /// Whether more is barred than one reference.
    pub(super) fn has_batches(self) -> bool {
        self.batches.is_some()
    }

    /// Whether a reference is barred by its batch.
    pub(super) fn bars(self, query: usize, id: i64) -> bool {
        let of = |(queries, references): (&[u32], Batches)| {
            queries[query] == references.of.get(id as usize).copied().unwrap_or(NO_REFERENCE_BATCH)
        };
        self.batches.is_some_and(of)
    }

    /// References that a query may have for neighbours at most, of `all`.
    pub(super) fn others(self, query: usize, all: u64) -> u64 {
        let of_batch = |(queries, references): (&[u32], Batches)| {
            references.counts.get(queries[query] as usize).copied().unwrap_or(0)
        };
        all.saturating_sub(self.batches.map_or(0, of_batch))
    }
}

/// What is barred for queries that were put into another order.
#[derive(Debug, Default)]
pub(super) struct Reordered {
    own: Vec<i64>,
    batches: Vec<u32>,
}

impl Reordered {
    /// For the queries at these places, one after another.
    pub(super) fn take<'s>(
        &'s mut self,
        barred: Barred<'s>,
        places: &(impl Iterator<Item = usize> + Clone),
    ) -> Barred<'s> {
        self.own.clear();
        self.batches.clear();
        self.own.extend(barred.own.iter().flat_map(|own| places.clone().map(|place| own[place])));
        self.batches.extend(barred.batches.iter().flat_map(|(of, _)| places.clone().map(|place| of[place])));
        Barred {
            own: barred.own.map(|_| self.own.as_slice()),
            batches: barred.batches.map(|(_, references)| (self.batches.as_slice(), references)),
        }
    }
}
