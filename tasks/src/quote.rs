//! Temporary.
/// Quotes one word for `sh`.
#[must_use]
pub fn sh(word: &str) -> String {
    shlex::try_quote(word).map_or_else(
        |_| format!("'{}'", word.replace('\0', "").replace('\'', "'\\''")),
        std::borrow::Cow::into_owned,
    )
}
/// Quotes and joins words for `sh`.
pub fn sh_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(sh).collect();
    words.join(" ")
}
/// Quotes for curl.
#[must_use]
pub fn curl(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
/// Escapes for sed.
#[must_use]
pub fn sed(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let special = "/\\.*[]^$".contains(c);
            special.then_some('\\').into_iter().chain([c])
        })
        .collect()
}
