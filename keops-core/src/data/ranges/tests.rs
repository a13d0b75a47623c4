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
