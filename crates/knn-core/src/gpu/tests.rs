//! The search on a device against the mock: what it finds, and what becomes of every call that fails.

use super::mock::Mock;
use super::*;
use crate::distance::{Metric, exact_product, exact_squared};

fn search(mock: &Mock) -> Search {
    Search { named: Some(mock.path()), ..Search::default() }
}

fn device(mock: &Mock) -> Device {
    probe(&Search { memory: Some(1 << 30), ..search(mock) }).unwrap().remove(0)
}

/// As many devices as the driver has.
fn devices(mock: &Mock, count: i64) -> Vec<Device> {
    mock.set("devices", count);
    probe(&Search { driver: Some(mock.driver()), ..search(mock) }).unwrap()
}

/// Some rows, the same every time.
fn rows(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    std::iter::repeat_with(number).take(count * dim).collect()
}

/// Rows and values that were found for a query, and the least value of any other.
type Found = (Vec<(u32, f64)>, f64);

/// All that a join does with a device.
fn work(device: &Device, metric: Metric) -> Result<Vec<Found>, Fault> {
    let (dim, values) = (5, rows(300, 5, 3));
    let size = BatchSize { dim, queries: 64, sought: 7 };
    let mut selector = Selector::new(device, metric, size)?;
    assert!(selector.load(&rows(40, dim, 9))?);
    assert!(selector.load(&values)?);
    let queries = rows(50, dim, 5);
    selector.ask(50, |at| &queries[at * dim..(at + 1) * dim])?;
    let batch = selector.answer()?;
    let (block, mut order) = (selector.block(), Vec::new());
    let found = |query| {
        let told = batch.of(query);
        let found: Vec<(u32, f64)> = block.read(told, &mut order).unwrap().collect();
        (found, block.least_other(told))
    };
    let found = (0..batch.queries()).map(found).collect();
    selector.rest(batch);
    Ok(found)
}

#[test]
fn the_nearest_rows_are_found() {
    let (values, queries) = (rows(300, 5, 3), rows(50, 5, 5));
    for metric in Metric::ALL {
        let mock = Mock::new();
        let found = work(&device(&mock), metric).unwrap();
        for ((found, least), q) in found.iter().zip(queries.chunks(5)) {
            let exact = |x: &[f32]| if metric.is_product() { -exact_product(q, x) } else { exact_squared(q, x) };
            let mut all: Vec<(u32, f64)> = (0..).zip(values.chunks(5).map(exact)).collect();
            all.sort_by(|a, b| a.1.total_cmp(&b.1));
            assert_eq!(found.len(), 7);
            for ((row, value), (expected, exact)) in found.iter().zip(&all) {
                assert!(row == expected && (value - exact).abs() < 1e-5, "{metric:?}");
            }
            assert_eq!(*least, found[6].1);
        }
        assert_eq!((mock.live(), mock.faults()), (0, 0));
    }
}

#[test]
fn every_call_that_fails_is_a_fault_and_nothing_is_kept() {
    let mock = Mock::new();
    let told = device(&mock);
    let before = mock.calls();
    work(&told, Metric::Euclidean).unwrap();
    let calls = mock.calls() - before;
    assert!(calls > 20, "{calls}");
    for call in 1..=calls {
        mock.set("fail_at", call);
        let fault = work(&told, Metric::Euclidean).unwrap_err();
        assert!(fault.call.starts_with("cuvs") && !fault.text.contains('\n') && !fault.text.is_empty(), "{fault:?}");
        assert_eq!((mock.live(), mock.faults()), (0, 0), "{call} of {calls}");
    }
    mock.set("fail_at", 0);
    for allocation in 1..=3 {
        mock.set("fail_allocation", allocation);
        let fault = work(&told, Metric::Euclidean).unwrap_err();
        assert_eq!((fault.call, fault.text.as_str()), ("cuvsRMMAlloc", "std::bad_alloc: out_of_memory"));
        assert_eq!((mock.live(), mock.faults()), (0, 0), "{allocation}");
    }
    work(&told, Metric::Euclidean).unwrap();
}

#[test]
fn every_call_of_a_probe_that_fails_says_that_no_device_answers() {
    let mock = Mock::new();
    let search = Search { memory: Some(1 << 30), ..search(&mock) };
    let before = mock.calls();
    let found = probe(&search).unwrap().remove(0);
    assert_eq!((found.id(), found.memory(), found.version().as_str()), (0, 1 << 30, "26.10.0"));
    assert_eq!(found.library(), mock.path());
    let calls = mock.calls() - before;
    assert_eq!(calls, 3);
    for call in 1..=calls {
        mock.set("fail_at", call);
        let absent = probe(&search).unwrap_err();
        assert!(matches!(&absent, Absent::NoDevice { version, .. } if version == "26.10.0"), "{absent:?}");
        assert_eq!((mock.live(), mock.faults()), (0, 0), "{call} of {calls}");
    }
}

#[test]
fn what_is_missing_is_told_with_a_remedy() {
    let with = |what: &str, value: i64| {
        let mock = Mock::new();
        probe(&search(mock.set(what, value))).unwrap_err()
    };
    let absent = with("without_device", 1);
    assert!(absent.reason().ends_with("cudaErrorNoDevice no CUDA-capable device is detected"), "{}", absent.reason());
    assert!(absent.remedy().contains("nvidia-smi"));
    let absent = with("major", 25);
    assert!(matches!(&absent, Absent::Version { found, .. } if found == "25.10.0"), "{absent:?}");
    assert!(absent.reason().contains("25.10.0") && absent.remedy().contains("cuVS 26"));
    let absent = with("device_memory", 100 << 20);
    assert_eq!(absent, Absent::Memory { found: 96 << 20, least: 256 << 20 });
    assert!(absent.reason().contains("96.0 MiB") && absent.reason().contains("256.0 MiB"));
    let mock = Mock::without_search();
    let absent = probe(&search(&mock)).unwrap_err();
    assert_eq!(absent, Absent::Symbol { library: mock.path(), symbol: "cuvsBruteForceSearch" });
    let error = absent.into_error();
    assert!(
        error.code() == "GM_BACKEND" && error.hint().is_some_and(|hint| hint.contains(LIBRARY_VARIABLE)),
        "{error}"
    );
}

#[test]
fn memory_is_what_can_be_taken() {
    for (free, expected) in [(81_559 << 20, 64 << 30), (50 << 30, 48 << 30), (300 << 20, 256 << 20)] {
        let mock = Mock::new();
        let device = probe(&search(mock.set("device_memory", free))).unwrap().remove(0);
        assert_eq!(device.memory(), expected);
        assert_eq!((mock.live(), mock.faults()), (0, 0));
    }
}

#[test]
fn what_a_device_lies_about_is_not_believed() {
    for lie in [1, 2, 3, 5] {
        let mock = Mock::new();
        let device = device(mock.set("lie", lie));
        let size = BatchSize { dim: 5, queries: 8, sought: 7 };
        let mut selector = Selector::new(&device, Metric::Euclidean, size).unwrap();
        assert!(selector.load(&rows(40, 5, 9)).unwrap());
        let queries = rows(3, 5, 5);
        selector.ask(3, |at| &queries[at * 5..(at + 1) * 5]).unwrap();
        let (batch, block) = (selector.answer().unwrap(), selector.block());
        for query in 0..3 {
            assert!(block.read(batch.of(query), &mut Vec::new()).is_none(), "{lie}");
        }
    }
}

#[test]
fn rows_that_are_not_fit_are_left_out_or_refused() {
    let mock = Mock::new();
    let device = device(&mock);
    let size = BatchSize { dim: 2, queries: 4, sought: 3 };
    let mut selector = Selector::new(&device, Metric::Euclidean, size).unwrap();
    let mut values = vec![1.0, 2.0, f32::NAN, 0.0, 5.0, 5.0, 1e30, 0.0, 1.0, 1.0];
    assert!(selector.load(&values).unwrap());
    let queries = [[1.0f32, 1.5], [f32::INFINITY, 0.0], [0.0, -1e25]];
    selector.ask(3, |at| &queries[at]).unwrap();
    let (block, batch) = (selector.block(), selector.answer().unwrap());
    assert_eq!(block.long(), [3]);
    let mut found: Vec<u32> = block.read(batch.of(0), &mut Vec::new()).unwrap().map(|(row, _)| row).collect();
    found.sort_unstable();
    assert_eq!((found, block.least_other(batch.of(0))), (vec![0, 2, 4], f64::INFINITY));
    assert!(batch.of(1).norm.is_nan() && batch.of(2).norm == f64::INFINITY);
    // So many that far out is where most of them are.
    values.extend((0..40u8).flat_map(|row| [f32::from(row) * 1e30, f32::from(row % 7) * -1e30]));
    assert!(!selector.load(&values).unwrap());
    assert!(!selector.load(&[f32::NAN; 4]).unwrap());
    drop((selector, batch));
    assert_eq!((mock.live(), mock.faults()), (0, 0));
}

#[test]
fn pinned_memory_is_given_back_by_any_thread() {
    let mock = Mock::new();
    for device in [device(&mock)].into_iter().chain(devices(&mock, 2)) {
        let size = BatchSize { dim: 2, queries: 4, sought: 3 };
        let mut selector = Selector::new(&device, Metric::Euclidean, size).unwrap();
        selector.ask(1, |_| &[0f32; 2]).unwrap();
        let batch = selector.answer().unwrap();
        // One that nobody waits for.
        selector.ask(1, |_| &[0f32; 2]).unwrap();
        std::thread::spawn(move || drop((batch, selector))).join().unwrap();
        assert_eq!((mock.live(), mock.faults()), (0, 0));
    }
    assert_eq!(mock.contexts(), 0);
}

#[test]
fn every_device_works_in_its_context() {
    let mock = Mock::new();
    let alone = work(&device(&mock), Metric::Euclidean).unwrap();
    assert_eq!(mock.searched(), [0]);
    let found = devices(&mock, 3);
    assert_eq!(mock.contexts(), 3);
    let told: Vec<_> = found.iter().map(|device| (device.id(), device.name().unwrap(), device.memory())).collect();
    assert_eq!(told, [(0, "Mock A", 64 << 30), (1, "Mock B", 64 << 30), (2, "Mock C", 64 << 30)]);
    assert_eq!(found[1].in_words(), "1 (Mock B) with 64.0 GiB of free memory");
    for (number, device) in (0..).zip(&found) {
        assert_eq!(work(device, Metric::Euclidean).unwrap(), alone);
        assert_eq!(mock.searched(), [number]);
    }
    // All at a time, by threads of whoever asks.
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            found.iter().map(|device| scope.spawn(|| work(device, Metric::Euclidean).unwrap())).collect();
        assert!(asked.into_iter().all(|asked| asked.join().unwrap() == alone));
    });
    assert_eq!(mock.searched(), [0, 1, 2]);
    drop(found);
    assert_eq!((mock.live(), mock.faults(), mock.contexts()), (0, 0, 0));
}

#[test]
fn every_call_of_the_driver_that_fails_leaves_what_answers() {
    let mock = Mock::new();
    let search = Search { driver: Some(mock.driver()), memory: Some(1 << 30), ..search(&mock) };
    mock.set("devices", 2);
    let before = mock.calls();
    assert_eq!(probe(&search).unwrap().len(), 2);
    let calls = mock.calls() - before;
    assert_eq!(calls, 1 + 2 * 7);
    for call in 1..=calls {
        mock.set("fail_at", call);
        let ids: Vec<_> = probe(&search).unwrap().iter().map(|device| (device.id(), device.name().is_some())).collect();
        // Without a number of devices there is the one that CUDA takes.
        let expected = match call {
            1 => (0, false),
            2..=8 => (1, true),
            _ => (0, true),
        };
        assert_eq!(ids, [expected], "{call} of {calls}");
        assert_eq!((mock.live(), mock.faults(), mock.contexts()), (0, 0, 0), "{call} of {calls}");
    }
    mock.set("fail_at", 0);
    let told = devices(&mock, 2).remove(1);
    let before = mock.calls();
    work(&told, Metric::Euclidean).unwrap();
    let calls = mock.calls() - before;
    for call in 1..=calls {
        mock.set("fail_at", call);
        let fault = work(&told, Metric::Euclidean).unwrap_err();
        assert!(fault.call.starts_with("cu") && !fault.text.is_empty(), "{fault:?}");
        assert_eq!((mock.live(), mock.faults()), (0, 0), "{call} of {calls}");
    }
    drop(told);
    assert_eq!(mock.contexts(), 0);
}

#[test]
fn where_contexts_are_of_no_use_there_is_one_device() {
    let found = |what: &str, value: i64, devices: i64| {
        let mock = Mock::new();
        mock.set("devices", devices).set(what, value);
        let found = probe(&Search { driver: Some(mock.driver()), ..search(&mock) }).map(|found| {
            found
                .iter()
                .map(|device| (device.id(), device.name().map(str::to_owned), device.memory()))
                .collect::<Vec<_>>()
        });
        assert_eq!((mock.live(), mock.faults(), mock.contexts()), (0, 0, 0), "{what}");
        found
    };
    assert_eq!(found("without_driver", 1, 2).unwrap(), [(0, None, 1 << 38)]);
    // A runtime that works on the first device whatever is current.
    assert_eq!(found("deaf", 1, 2).unwrap(), [(0, None, 1 << 38)]);
    assert_eq!(found("devices", 1, 1).unwrap(), [(0, Some("Mock A".into()), 64 << 30)]);
    assert_eq!(found("device_memory", 300 << 20, 2).unwrap().len(), 2);
    let absent = found("device_memory", 100 << 20, 2).unwrap_err();
    assert_eq!(absent, Absent::Memory { found: 100 << 20, least: 256 << 20 });
    let absent = found("without_device", 1, 2).unwrap_err();
    assert!(matches!(absent, Absent::NoDevice { .. }), "{absent:?}");
    let mock = Mock::new();
    let nowhere = Search { driver: Some("/nowhere/libcuda.so.1".into()), memory: Some(1 << 30), ..search(&mock) };
    assert_eq!(probe(&nowhere).unwrap().len(), 1);
}
