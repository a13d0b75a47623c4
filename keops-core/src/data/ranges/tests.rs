use core::ops::Range;

use super::*;

/// All pairs of a pattern, in order.
fn pairs(pattern: &Pattern) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for segment in pattern.segments() {
        for row in segment.rows.first..segment.rows.end {
            for range in pattern.ranges_of(segment) {
                pairs.extend((range.first..range.end).map(|column| (row, column)));
            }
        }
    }
    pairs
}

fn random_blocks(numbers: &mut fastrand::Rng) -> Vec<(Range<usize>, Range<usize>)> {
    if numbers.bool() {
        // Low blocks, many of which are of the same rows; mostly row after row.
        let count = numbers.usize(0..150);
        let mut blocks: Vec<_> = (0..count)
            .map(|_| {
                let (row, column) = (numbers.usize(0..28), numbers.usize(0..28));
                let high = if numbers.u8(..) < 20 { 2 } else { 1 };
                (row..row + high, column..column + numbers.usize(0..3))
            })
            .collect();
        if numbers.bool() {
            blocks.sort_by_key(|(rows, _)| rows.start);
        }
        return blocks;
    }
    let count = numbers.usize(0..12);
    let mut range = || {
        let (a, b) = (numbers.usize(0..30), numbers.usize(0..30));
        a.min(b)..a.max(b)
    };
    (0..count).map(|_| (range(), range())).collect()
}

#[test]
fn pairs_are_those_of_the_blocks() {
    let seed = fastrand::u64(..);
    let mut numbers = fastrand::Rng::with_seed(seed);
    for _ in 0..500 {
        let blocks = random_blocks(&mut numbers);
        let ranges = Ranges::new(blocks.clone()).expect("they are in order");
        let mut expected = Vec::new();
        for row in 0..30 {
            for column in 0..30 {
                let expected_here = blocks.iter().any(|(i, j)| i.contains(&row) && j.contains(&column));
                assert_eq!(ranges.by_i().contains(row, column), expected_here);
                if expected_here {
                    expected.push((row as u32, column as u32));
                }
            }
        }
        assert_eq!(pairs(ranges.by_i()), expected, "seed {seed}: {blocks:?}");
        assert_eq!(ranges.pairs(), expected.len() as u64);
        let mut other: Vec<_> = expected.iter().map(|&(i, j)| (j, i)).collect();
        other.sort_unstable();
        assert_eq!(pairs(ranges.by_j()), other, "seed {seed}: {blocks:?}");
        assert_eq!(ranges.transpose().transpose(), ranges);
        let reversed = Ranges::new(blocks.into_iter().rev()).expect("they are in order");
        assert_eq!(reversed, ranges, "the order of blocks does not matter");
    }
}

#[test]
fn triangles_and_bands_are_short_from_both_sides() {
    let triangle = Ranges::lower_triangle(1000).expect("few rows");
    assert_eq!(triangle.pairs(), 1000 * 1001 / 2);
    assert_eq!([triangle.by_i().ranges().len(), triangle.by_j().ranges().len()], [1000, 1000]);
    assert_eq!(triangle.by_j().ends(), [1000, 1000]);

    let band = Ranges::band([5, 7], 1, 2).expect("few rows");
    let expected: Vec<_> =
        (0..5_u32).flat_map(|i| (0..7).filter(move |&j| j + 1 >= i && j <= i + 2).map(move |j| (i, j))).collect();
    assert_eq!(pairs(band.by_i()), expected);
    assert_eq!(Ranges::band([9, 3], 0, usize::MAX).expect("few rows").pairs(), 3 + 2 + 1);
    assert_eq!(Ranges::band([0, 3], 1, 1).expect("no rows").pairs(), 0);
}

#[test]
fn clusters_that_follow_each_other_are_one_range() {
    let clusters = [0..2, 2..5, 5..6];
    let keep = [true, true, false, false, false, false, true, false, true];
    let ranges = Ranges::from_matrix(&clusters, &clusters, &keep).expect("three clusters");
    assert_eq!(ranges, Ranges::new([(0..2, 0..5), (5..6, 0..2), (5..6, 5..6)]).expect("in order"));
    assert_eq!(ranges.by_i().ranges().len(), 3);
    let error = Ranges::from_matrix(&clusters, &clusters, &keep[1..]).expect_err("8 of 9");
    assert_eq!(error.to_string(), "a mask of 3 by 3 clusters has 9 entries, but 8 were given");
}

#[test]
fn neighbours_are_clusters_within_reach() {
    let clusters = [0..2, 2..4, 4..6];
    let centres = [[0.0, 0.0], [3.0, 4.0], [100.0, 0.0]];
    let radii = [1.0, 2.0, 0.5];
    let sides = || (&clusters[..], &centres[..], &radii[..]);
    let near = Ranges::from_neighbours(sides(), sides(), 2.0).expect("three clusters");
    assert_eq!(near, Ranges::new([(0..4, 0..4), (4..6, 4..6)]).expect("in order"));
    let apart = Ranges::from_neighbours(sides(), sides(), 1.9).expect("three clusters");
    assert_eq!(apart.pairs(), 3 * 4);
    let few = (&clusters[..], &centres[1..], &radii[..]);
    assert_eq!(
        Ranges::from_neighbours(sides(), few, 1.9),
        Err(Error::RowCount { variable: "centres", rows: 2, other: "clusters", other_rows: 3 })
    );
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "it is what is refused")]
fn ranges_that_are_none_are_refused() {
    let backwards = Ranges::new([(3..2, 0..1)]).expect_err("backwards");
    assert_eq!(backwards.to_string(), format!("3..2 is no range of rows of at most {MAX_ROWS}"));
    assert!(Ranges::new([(0..1, 0..usize::MAX)]).is_err());
    assert!(Ranges::new([(0..1, 0..MAX_ROWS)]).is_ok());
}

#[test]
fn rows_of_all_lengths_are_put_in_order() {
    let seed = fastrand::u64(..);
    let mut numbers = fastrand::Rng::with_seed(seed);
    for _ in 0..20 {
        // Some rows have more than are sorted in lanes; some columns are neighbours or come twice, and some ranges are long.
        let mut blocks = Vec::new();
        for row in 0..80 {
            for _ in 0..numbers.usize(0..50) {
                let first = numbers.usize(0..400);
                let length = if numbers.u8(..) < 20 { 3 } else { 1 };
                blocks.push((row..row + 1, first..first + length));
            }
        }
        let mut expected: Vec<_> =
            blocks.iter().flat_map(|(i, j)| j.clone().map(|j| (i.start as u32, j as u32))).collect();
        expected.sort_unstable();
        expected.dedup();
        let ranges = Ranges::new(blocks.iter().cloned()).expect("they are small");
        assert_eq!(pairs(ranges.by_i()), expected, "seed {seed}");
        for segment in ranges.by_i().segments() {
            let apart = ranges.by_i().ranges_of(segment).windows(2).all(|two| two[0].end < two[1].first);
            assert!(apart, "seed {seed}: {segment:?}");
        }
        blocks.sort_by_key(|(_, columns)| columns.start);
        assert_eq!(Ranges::new(blocks).expect("they are small"), ranges, "seed {seed}: in another order");
    }
}

/// The patterns of single pairs, on one thread and on several.
fn check_on_threads(what: &str, given: &[(usize, usize)]) {
    let mut expected: Vec<_> = given.iter().map(|&(i, j)| (i as u32, j as u32)).collect();
    expected.sort_unstable();
    expected.dedup();
    let mut other: Vec<_> = expected.iter().map(|&(i, j)| (j, i)).collect();
    other.sort_unstable();
    let new = || Ranges::new(given.iter().map(|&(i, j)| (i..i + 1, j..j + 1))).expect("they are in order");
    let mut first: Option<Ranges> = None;
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a few threads");
        let ranges = pool.install(|| {
            let ranges = new();
            let _ = ranges.by_j();
            ranges
        });
        assert!(pairs(ranges.by_i()) == expected, "{what}, {threads} threads");
        assert!(pairs(ranges.by_j()) == other, "{what}, {threads} threads, the other side");
        assert_eq!(ranges.pairs(), expected.len() as u64, "{what}");
        for pattern in [ranges.by_i(), ranges.by_j()] {
            let ends = |pairs: &[(u32, u32)]| {
                [pairs.iter().map(|pair| pair.0 + 1).max(), pairs.iter().map(|pair| pair.1 + 1).max()]
            };
            assert_eq!(pattern.ends().map(Some), ends(&pairs(pattern)), "{what}");
            let segments = pattern.segments().windows(2);
            let differ = |two: &[Segment]| {
                two[0].rows.end < two[1].rows.first || pattern.ranges_of(&two[0]) != pattern.ranges_of(&two[1])
            };
            assert!(segments.into_iter().all(differ), "{what}: equal rows are one segment");
        }
        let first = first.get_or_insert_with(|| ranges.clone());
        assert!(*first == ranges && first.by_j() == ranges.by_j(), "{what}: the same for any number of threads");
    }
}

#[test]
fn pairs_of_any_order_are_the_same_on_all_threads() {
    let mut numbers = fastrand::Rng::with_seed(1);
    let count = 200_000;
    let mut graph: Vec<_> = (0..count).map(|k| (k / 10, numbers.usize(0..50_000))).collect();
    check_on_threads("row after row", &graph);
    numbers.shuffle(&mut graph);
    check_on_threads("in any order", &graph);
    graph.sort_unstable();
    check_on_threads("sorted", &graph);
    graph.reverse();
    check_on_threads("backwards", &graph);
    let mut near: Vec<_> = (0..count).map(|k| (k / 10, k / 10 + numbers.usize(0..30))).collect();
    check_on_threads("neighbours, many of which follow each other", &near);
    let half = near.len() / 2;
    near.rotate_left(half);
    check_on_threads("the second half before the first one", &near);
    let mut alike: Vec<_> = (0..count / 2).flat_map(|row| [(row, 7), (row, 9)]).collect();
    check_on_threads("rows that are all alike", &alike);
    numbers.shuffle(&mut alike);
    check_on_threads("rows that are all alike, in any order", &alike);
    let mut long: Vec<_> = (0..count).map(|k| (if k % 3 == 0 { 5 } else { k / 100 }, 2 * k % 90_001)).collect();
    check_on_threads("a row of very many", &long);
    long.sort_unstable();
    check_on_threads("a row of very many, sorted", &long);
}

#[test]
fn rows_have_numbers_up_to_the_last_one() {
    let last = MAX_ROWS - 1;
    check_on_threads("the last row", &[(last, last)]);
    check_on_threads(
        "before and after",
        &[(last, 0), (0, last), (last, last), (0, 0), (last - 1, last - 1), (last, 0)],
    );
    let mut numbers = fastrand::Rng::with_seed(2);
    let mut far: Vec<_> = (0..200_000).map(|_| (numbers.usize(0..MAX_ROWS), numbers.usize(0..MAX_ROWS))).collect();
    check_on_threads("far from each other", &far);
    far.sort_unstable();
    check_on_threads("far from each other, sorted", &far);
    for beyond in [(last..MAX_ROWS + 1, 0..1), (0..1, last..MAX_ROWS + 1), (MAX_ROWS..MAX_ROWS + 1, 0..1)] {
        // As the first block, in the row before, and behind others.
        for front in [vec![], vec![(0..1, 0..1)], vec![(3..4, 0..1), (2..3, 0..1)]] {
            let error = Ranges::new(front.into_iter().chain([beyond.clone()])).expect_err("there is no such row");
            assert!(matches!(error, Error::RangeEnd { rows: MAX_ROWS, .. }));
        }
    }
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "it is what is refused")]
fn faults_are_found_wherever_they_come() {
    for fault in [(3..2, 0..1), (0..1, 3..2), (9..7, 1..0)] {
        for place in 0..20 {
            for rows_backwards in [false, true] {
                let rows = |k: usize| if rows_backwards { 30 - k } else { k };
                let mut blocks: Vec<_> = (0..20).map(|k| (rows(k)..rows(k) + 1, k..k + 1)).collect();
                blocks.insert(place, fault.clone());
                assert!(matches!(Ranges::new(blocks), Err(Error::RangeEnd { .. })), "{fault:?} at {place}");
            }
        }
    }
    let empty = [(0..0, 0..5), (2..2, 1..2), (1..2, 4..4), (1..2, 0..1), (0..3, 7..7), (0..1, 0..1)];
    let ranges = Ranges::new(empty).expect("empty blocks are blocks");
    assert_eq!(pairs(ranges.by_i()), [(0, 0), (1, 0)]);
    assert_eq!(pairs(Ranges::new([]).expect("none").by_j()), []);
}

/// Graphs drawn anew each time: whose rows meet others near or anywhere, none, or very many; backwards, or in any order; with
/// ranges that overlap, that follow each other and that end with the rows.
#[test]
fn graphs_are_the_same_from_both_sides() {
    let seed = fastrand::u64(..);
    let mut numbers = fastrand::Rng::with_seed(seed);
    for case in 0..60 {
        let (rows, columns) = (numbers.usize(1..4000), numbers.usize(1..4000));
        let (reach, most, long) = (numbers.usize(1..200), numbers.usize(1..14), numbers.usize(1..4));
        let is_near = case % 2 == 0;
        let mut blocks = Vec::new();
        for row in 0..rows {
            let count = match numbers.u8(..) {
                0..60 => 0,
                60 => 700.min(columns),
                _ => numbers.usize(0..=most),
            };
            // Some rows are like the one before.
            if numbers.u8(..) < 20 && row > 0 {
                let like: Vec<_> = blocks.iter().rev().take_while(|(i, _)| *i == (row - 1..row)).cloned().collect();
                blocks.extend(like.into_iter().map(|(_, columns)| (row..row + 1, columns)));
                continue;
            }
            for _ in 0..count {
                let middle = row * columns / rows;
                let low = if is_near { middle.saturating_sub(reach) } else { 0 };
                let high = if is_near { columns.min(middle + reach + 1) } else { columns };
                let first = if numbers.u8(..) < 5 { columns - 1 } else { numbers.usize(low..high) };
                blocks.push((row..row + 1, first..columns.min(first + numbers.usize(1..=long))));
            }
        }
        match case % 5 {
            0 => blocks.reverse(),
            1 => numbers.shuffle(&mut blocks),
            2 => blocks.sort_by_key(|(i, j)| (i.start, core::cmp::Reverse(j.start))),
            3 => blocks.sort_by_key(|(i, j)| (i.start, j.start)),
            _ => {}
        }
        let mut expected: Vec<_> =
            blocks.iter().flat_map(|(i, j)| j.clone().map(|j| (i.start as u32, j as u32))).collect();
        expected.sort_unstable();
        expected.dedup();
        let mut other: Vec<_> = expected.iter().map(|&(i, j)| (j, i)).collect();
        other.sort_unstable();
        let what = format!("seed {seed}, case {case}");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a few threads");
            pool.install(|| {
                let ranges = Ranges::new(blocks.iter().cloned()).expect("they are small");
                assert!(pairs(ranges.by_i()) == expected, "{what}: by i");
                assert!(pairs(ranges.by_j()) == other, "{what}: by j");
                let exchanged = Ranges::new(blocks.iter().map(|(i, j)| (j.clone(), i.clone()))).expect("small");
                assert!(exchanged == ranges.transpose(), "{what}: exchanged");
                assert!(exchanged.by_j() == ranges.by_i(), "{what}: exchanged twice");
                // There is one pattern for a set of pairs.
                let single = expected.iter().map(|&(i, j)| [i, j].map(|row| row as usize));
                let single = Ranges::new(single.map(|[i, j]| (i..i + 1, j..j + 1))).expect("they are small");
                assert!(single == ranges && single.by_j() == ranges.by_j(), "{what}: single pairs");
            });
        }
    }
}
