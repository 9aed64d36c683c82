//! What the values of the tile say of exact values, and the other way about: by every metric nothing is lost, and where products are
//! compared, not everything is kept.

use proptest::prelude::*;

use super::{
    DistanceTile as _, Grid, Lane, Metric, PackedReferences, QueryPanels, QueryRows, exact_product, exact_squared,
};

/// Rows that are far from the origin, far apart, almost nothing, or ordinary.
fn rows(dim: usize, count: usize) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![8 => -3f32..3.0, 1 => Just(0.0)];
    let scale = prop::sample::select(vec![1f32, 1e4, 1e-4, 1e-30, 1e18]);
    let offset = prop::sample::select(vec![0f32, 100.0, -1e5]);
    let row = (prop::collection::vec(value, dim), prop_oneof![3 => Just(1f32), 2 => scale]);
    (prop::collection::vec(row, count), offset).prop_map(|(rows, offset)| {
        rows.iter().flat_map(|(row, scale)| row.iter().map(move |value| value * scale + offset)).collect()
    })
}

proptest! {
    #[test]
    fn values_and_bounds_follow_from_each_other_by_every_metric(
        (dim, queries, references) in (1usize..24).prop_flat_map(|dim| (Just(dim), rows(dim, 6), rows(dim, 16))),
        reach in prop::sample::select(vec![1e-3, 10.0, 1e5]),
        metric in prop::sample::select(Metric::ALL.to_vec()),
    ) {
        let prepared = |mut rows: Vec<f32>| {
            if let Some(prepare) = metric.prepare() {
                rows.chunks_exact_mut(dim).for_each(prepare);
            }
            rows
        };
        let (queries, references) = (prepared(queries), prepared(references));
        let (grid, lane) = (Grid::by(metric, references[..dim].to_vec(), reach), Lane::best());
        let (mut rows, mut panels, mut values) = (QueryRows::default(), QueryPanels::default(), Vec::new());
        lane.fill(&mut rows, &queries, &grid);
        panels.all(&rows);
        lane.values(&rows, &panels, &PackedReferences::pack(&references, &grid), &mut values);
        for (query, q) in queries.chunks_exact(dim).enumerate().filter(|(query, _)| rows.is_valid(*query)) {
            let bound = |x: &[f32]| {
                if metric.is_product() { -exact_product(q, x) } else { exact_squared(q, x).sqrt() }
            };
            let row = |slot: usize| &references[slot * dim..(slot + 1) * dim];
            let held: Vec<usize> = (0..16).filter(|&slot| grid.reference(row(slot), &mut vec![0; grid.pairs()]).is_ok()).collect();
            for &slot in &held {
                let (value, bound) = (values[query * 16 + slot], bound(row(slot)));
                prop_assert!(value > rows.limit(query, bound), "{metric:?}: {value} at {bound}");
                prop_assert!(bound <= rows.farthest(query, value), "{metric:?}: {value} at {bound}");
                // As if it were in a group around any other row.
                for &centre in &held {
                    let radius = exact_squared(row(slot), row(centre)).sqrt();
                    prop_assert!(values[query * 16 + centre] > rows.limit_of_group(query, bound, radius), "{metric:?}");
                }
            }
        }
    }

    #[test]
    fn limits_of_products_are_not_far_from_their_values(
        (dim, queries, references) in (1usize..50).prop_flat_map(|dim| {
            let value = -3f32..3.0;
            (Just(dim), prop::collection::vec(value.clone(), dim), prop::collection::vec(value, dim))
        }),
        factor in prop::sample::select(vec![1e-6f32, 1.0, 1e6]),
    ) {
        // However long queries are: a bound that lets everything through would be right as well.
        let queries: Vec<f32> = queries.iter().map(|value| value * factor).collect();
        let longest = |row: &[f32]| exact_product(row, row).sqrt();
        prop_assume!(longest(&queries) > 0.0);
        let grid = Grid::by(Metric::InnerProduct, vec![0.0; dim], longest(&references).max(1e-3));
        let mut rows = QueryRows::default();
        Lane::best().fill(&mut rows, &queries, &grid);
        let most = longest(&queries) * longest(&references).max(1e-3);
        let apart = rows.limit(0, -0.5 * most) - rows.limit(0, 0.5 * most);
        prop_assert!(f64::from(apart) > 0.9 * f64::from(1 << 29), "{apart}");
        prop_assert!(rows.farthest(0, rows.limit(0, 0.0)).abs() <= 1e-3 * (dim as f64).sqrt() * most);
    }
}
