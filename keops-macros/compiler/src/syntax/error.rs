//! Faults, which a phase collects so that the user sees all of them at once; and hints for misspelt names.

use proc_macro2::Span;

/// The faults in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl From<Option<syn::Error>> for Errors {
    fn from(faults: Option<syn::Error>) -> Self {
        Errors(faults)
    }
}

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

    /// All faults as one, if there are any.
    pub(crate) fn into_option(self) -> Option<syn::Error> {
        self.0
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

/// The candidate nearest to `wrong`: a quarter of the letters may differ, or one of three. Digits may not: `log2` is no
/// misspelt `log`. Of two spellings of a name the one in the case of `wrong` is taken.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|&(distance, name)| {
            let letters = name.len().min(wrong.len());
            distance <= (letters / 4).max(usize::from(letters >= 3)) && digits(name).eq(digits(wrong))
        })
        .min_by_key(|&(distance, name)| (distance, strsim::damerau_levenshtein(wrong, name)))
        .map(|(_, name)| name)
}

fn digits(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(char::is_ascii_digit)
}
