//! Leave-one-out classification: every point is given the label that most of its ten nearest neighbours have.

/// How many neighbours vote.
pub(crate) const VOTERS: usize = 10;

/// How the classification went.
#[derive(Debug)]
pub(crate) struct Classification {
    /// `confusion[true class][given class]`: how many points.
    pub(crate) confusion: Vec<Vec<usize>>,
}

impl Classification {
    /// Lets the neighbours of each point vote. A row of `nearest` is a point's own index and its neighbours', nearest
    /// first.
    pub(crate) fn new(nearest: &[[u32; VOTERS + 1]], classes: &[usize], class_count: usize) -> Self {
        let mut confusion = vec![vec![0; class_count]; class_count];
        for (own, row) in nearest.iter().enumerate() {
            confusion[classes[own]][vote(own, row, classes, class_count)] += 1;
        }
        Classification { confusion }
    }

    /// The share of points that were given their own label.
    pub(crate) fn accuracy(&self) -> f64 {
        let right: usize = self.confusion.iter().enumerate().map(|(class, row)| row[class]).sum();
        let all: usize = self.confusion.iter().flatten().sum();
        right as f64 / all as f64
    }
}

/// The class most frequent among the neighbours; of equally frequent ones that of the nearest neighbour.
fn vote(own: usize, row: &[u32; VOTERS + 1], classes: &[usize], class_count: usize) -> usize {
    let voters = row.iter().map(|&j| j as usize).filter(|&j| j != own).take(VOTERS);
    let mut votes = vec![0; class_count];
    let mut order = Vec::with_capacity(VOTERS);
    for class in voters.map(|j| classes[j]) {
        votes[class] += 1;
        order.push(class);
    }
    let most = votes.iter().max().copied().unwrap_or(0);
    order.into_iter().find(|&class| votes[class] == most).unwrap_or(classes[own])
}
