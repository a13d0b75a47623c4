//! Which derivative a call is.
//!
//! Derivatives commute, so there is one call for all orders in which they can be asked for: the change of the value along
//! tangents of some inputs, or the gradient of that in one more input. The gradient in x of the gradient in y is the gradient
//! in x of the change along y, whose tangent is the second cotangent; the gradient in a cotangent or in a tangent is without
//! it, since the call is linear in these. Calls grow with the order as multisets do, and not as sequences.

/// See the [module](self). The arguments of the call are the inputs, the cotangent if there is one, and the tangents in the
/// order of their inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// How many inputs there are.
    inputs: usize,
    /// The input that it is the gradient in.
    by: Option<usize>,
    /// The inputs that have tangents, in ascending order; one may have several.
    along: Vec<usize>,
}

/// How the arguments of a derivative are made of those of a call and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The argument that is left out first.
    pub without: Option<usize>,
    /// The place of the new one among those that are left.
    pub place: usize,
}

/// What an argument of a call is.
enum Argument {
    Input(usize),
    Cotangent,
    Tangent(usize),
}

impl Kind {
    /// The value.
    pub(super) fn value(inputs: usize) -> Self {
        Kind { inputs, by: None, along: vec![] }
    }

    /// The order of the derivative.
    pub(super) fn order(&self) -> usize {
        usize::from(self.by.is_some()) + self.along.len()
    }

    /// The name of the marker type, made of the names of the inputs.
    pub(super) fn name(&self, names: &[String]) -> String {
        let by = self.by.map(|v| format!("Vjp_{}", names[v]));
        let along = self.along.iter().map(|&v| format!("Jvp_{}", names[v]));
        let parts: Vec<String> = by.into_iter().chain(along).collect();
        if parts.is_empty() { "Value".to_owned() } else { parts.join("__") }
    }

    /// The inputs along which a change of this call is derived from it; along the others it is derived from other calls.
    pub(super) fn next(&self) -> std::ops::Range<usize> {
        self.along.last().copied().unwrap_or(0)..self.inputs
    }

    fn argument(&self, number: usize) -> Argument {
        match (number.checked_sub(self.inputs), self.by) {
            (None, _) => Argument::Input(number),
            (Some(0), Some(_)) => Argument::Cotangent,
            (Some(behind), by) => Argument::Tangent(behind - usize::from(by.is_some())),
        }
    }

    /// Adds a tangent of an input; its place among the arguments.
    fn add(&mut self, input: usize) -> usize {
        let rank = self.along.partition_point(|&v| v <= input);
        self.along.insert(rank, input);
        self.inputs + usize::from(self.by.is_some()) + rank
    }

    /// The gradient in argument `number` for a cotangent.
    pub(super) fn vjp(&self, number: usize) -> (Kind, Arguments) {
        let mut kind = self.clone();
        let (input, without) = match self.argument(number) {
            Argument::Input(v) => (Some(v), None),
            Argument::Cotangent => (None, Some(number)),
            Argument::Tangent(rank) => (Some(kind.along.remove(rank)), Some(number)),
        };
        kind.by = input;
        // the cotangent of a gradient is a tangent
        let place = match self.by {
            Some(by) => kind.add(by),
            None => self.inputs,
        };
        (kind, Arguments { without, place })
    }

    /// The change along a tangent of argument `number`.
    pub(super) fn jvp(&self, number: usize) -> (Kind, Arguments) {
        let mut kind = self.clone();
        let arguments = match self.argument(number) {
            Argument::Input(v) => Arguments { without: None, place: kind.add(v) },
            // linear: the tangent takes its place
            Argument::Cotangent | Argument::Tangent(_) => Arguments { without: Some(number), place: number },
        };
        (kind, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(kind: &Kind, names: &[String], steps: &[(bool, usize)]) -> (String, Vec<usize>) {
        let (mut kind, mut arguments) = (kind.clone(), (0..kind.inputs).collect::<Vec<_>>());
        for (step, &(gradient, number)) in steps.iter().enumerate() {
            let (next, Arguments { without, place }) = if gradient { kind.vjp(number) } else { kind.jvp(number) };
            if let Some(without) = without {
                arguments.remove(without);
            }
            arguments.insert(place, 100 + step);
            kind = next;
        }
        (kind.name(names), arguments)
    }

    #[test]
    fn one_call_for_all_orders() {
        let names = ["x", "y"].map(str::to_owned);
        let of = |steps: &[(bool, usize)]| after(&Kind::value(2), &names, steps);
        assert_eq!(of(&[]), ("Value".to_owned(), vec![0, 1]));
        assert_eq!(of(&[(true, 0)]), ("Vjp_x".to_owned(), vec![0, 1, 100]));
        let mixed = |arguments: [usize; 4]| ("Vjp_x__Jvp_y".to_owned(), arguments.to_vec());
        // the cotangent of the gradient in y is its tangent
        assert_eq!(of(&[(true, 1), (true, 0)]), mixed([0, 1, 100, 101]));
        assert_eq!(of(&[(true, 0), (false, 1)]), mixed([0, 1, 100, 101]));
        assert_eq!(of(&[(false, 1), (true, 0)]), mixed([0, 1, 101, 100]));
        assert_eq!(of(&[(false, 1), (false, 0)]), ("Jvp_x__Jvp_y".to_owned(), vec![0, 1, 101, 100]));
        // in a cotangent and in a tangent, which are left out
        assert_eq!(of(&[(true, 1), (true, 2)]), ("Jvp_y".to_owned(), vec![0, 1, 101]));
        assert_eq!(of(&[(false, 1), (true, 2)]), ("Vjp_y".to_owned(), vec![0, 1, 101]));
        assert_eq!(of(&[(true, 0), (false, 1), (true, 3)]), ("Vjp_y__Jvp_x".to_owned(), vec![0, 1, 100, 102]));
        // along them: the same call
        assert_eq!(of(&[(true, 0), (false, 1), (false, 2)]), mixed([0, 1, 102, 101]));
        assert_eq!(of(&[(true, 0), (false, 1), (false, 3)]), mixed([0, 1, 100, 102]));
    }
}
