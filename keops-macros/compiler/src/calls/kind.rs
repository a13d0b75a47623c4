//! The kind of a call: which derivative of the value it is.
//!
//! Derivatives commute, so one call stands for all orders in which derivatives can be asked for. It is the change of
//! the value along tangents of some inputs, or the gradient of that change in one more input. The gradient in x of
//! the gradient in y is the gradient in x of the change along y, with the second cotangent as the tangent of y. A
//! call is linear in cotangents and tangents, so the gradient in one of them does not have it as an argument. The
//! number of calls therefore grows with the order as that of multisets of inputs, and not as that of sequences.

/// The kind of a call, see the [module](self). The arguments of the call are the inputs, then the cotangent if there
/// is one, then the tangents in the order of their inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The number of inputs.
    inputs: usize,
    /// The input that the call is the gradient in, if it is one.
    by: Option<usize>,
    /// The inputs that have tangents, in ascending order. An input may have several, and then stands here as often.
    along: Vec<usize>,
}

/// How the arguments of a derivative are made of the arguments of a call and a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The argument of the call that is left out, if one is.
    pub without: Option<usize>,
    /// The place of the new argument among the others.
    pub place: usize,
}

/// An argument of a call.
enum Argument {
    Input(usize),
    Cotangent,
    Tangent(usize),
}

impl Kind {
    /// The kind of the value.
    pub(super) fn value(inputs: usize) -> Self {
        Kind { inputs, by: None, along: vec![] }
    }

    /// The order of the derivative.
    pub(super) fn order(&self) -> usize {
        usize::from(self.by.is_some()) + self.along.len()
    }

    /// The name of the call's marker type, which is made of the names of the inputs.
    pub(super) fn name(&self, names: &[String]) -> String {
        let by = self.by.map(|v| format!("Vjp_{}", names[v]));
        let along = self.along.iter().map(|&v| format!("Jvp_{}", names[v]));
        let parts: Vec<String> = by.into_iter().chain(along).collect();
        if parts.is_empty() { "Value".to_owned() } else { parts.join("__") }
    }

    /// The inputs along which the change of this call is derived from this call. Each call is derived once, so its
    /// changes along other inputs are derived from other calls.
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

    /// Adds a tangent of an input. Returns its place among the arguments.
    fn add(&mut self, input: usize) -> usize {
        let rank = self.along.partition_point(|&v| v <= input);
        self.along.insert(rank, input);
        self.inputs + usize::from(self.by.is_some()) + rank
    }

    /// The kind of the gradient in argument `number`, and its arguments.
    pub(super) fn vjp(&self, number: usize) -> (Kind, Arguments) {
        let mut kind = self.clone();
        let (input, without) = match self.argument(number) {
            Argument::Input(v) => (Some(v), None),
            Argument::Cotangent => (None, Some(number)),
            Argument::Tangent(rank) => (Some(kind.along.remove(rank)), Some(number)),
        };
        kind.by = input;
        // the cotangent of the gradient so far becomes a tangent
        let place = match self.by {
            Some(by) => kind.add(by),
            None => self.inputs,
        };
        (kind, Arguments { without, place })
    }

    /// The kind of the change along a tangent of argument `number`, and its arguments.
    pub(super) fn jvp(&self, number: usize) -> (Kind, Arguments) {
        let mut kind = self.clone();
        let arguments = match self.argument(number) {
            Argument::Input(v) => Arguments { without: None, place: kind.add(v) },
            // the call is linear in the argument, whose place the tangent takes
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
