//! The faults of a phase, collected, so that the user sees all of them at once.

use proc_macro2::Span;

/// Faults in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a fault at a token.
    pub(crate) fn push(&mut self, span: Span, message: impl std::fmt::Display) {
        self.append(syn::Error::new(span, message));
    }

    /// Adds faults.
    pub(crate) fn append(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    /// All faults, if there are any.
    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// ", did you mean `name`?" for the candidate nearest to `wrong`, or nothing if none is near.
pub(crate) fn hint<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, candidates).map_or(String::new(), |name| format!(", did you mean `{name}`?"))
}

/// The candidate nearest to `wrong`, of which a third of the letters may differ. Of two spellings of a name the one in
/// the case of `wrong` is taken.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|&(distance, name)| distance <= name.len().min(wrong.len()) / 3)
        .min_by_key(|&(distance, name)| (distance, strsim::damerau_levenshtein(wrong, name)))
        .map(|(_, name)| name)
}
