//! What a page says and how it looks.

use std::collections::BTreeSet;
use std::fmt;

/// Finds the title of a page, as a person reads it.
pub(super) fn title(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(html_escape::decode_html_entities(title.trim()).into_owned())
}

/// Undoes what `WordPress` does to titles for beauty: typographic quotes and dashes, and its own name.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::new();
    for character in text.chars() {
        match character {
            '‘' | '’' | '′' => folded.push('\''),
            '“' | '”' | '″' | '„' => folded.push('"'),
            '–' => folded.push_str("--"),
            '—' => folded.push_str("---"),
            '…' => folded.push_str("..."),
            '×' => folded.push('x'),
            other => folded.push(other),
        }
    }
    folded
        .replace("---", "-")
        .replace("--", "-")
        .replace("WordPress", "Wordpress")
}

/// A picture of a page.
pub(super) struct Picture {
    width: u32,
    height: u32,
    colours: usize,
}

/// Colours of a page with text in one colour on a background of another, where the edges of letters are smooth: fewer are
/// no page that anybody could read.
const FEWEST: usize = 8;

impl Picture {
    /// Reads a PNG file.
    pub(super) fn read(png: &[u8]) -> Result<Self, String> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(problem)?;
        let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
        let frame = reader.next_frame(&mut pixels).map_err(problem)?;
        let pixel = frame.color_type.samples();
        let colours: BTreeSet<&[u8]> = pixels[..frame.buffer_size()].chunks_exact(pixel).collect();
        Ok(Self {
            width: frame.width,
            height: frame.height,
            colours: colours.len(),
        })
    }

    /// Tells whether there is nothing to be seen.
    pub(super) const fn is_blank(&self) -> bool {
        self.colours < FEWEST
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            width,
            height,
            colours,
        } = self;
        write!(f, "{width} × {height} pixels in {colours} colours")
    }
}

fn problem(error: impl fmt::Display) -> String {
    format!("what the browser gave is no picture: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn a_title_is_read_as_a_person_reads_it() {
        let page = "<head><title> A&#039;s &lt;B&gt; &amp; &#x43; &copy; </title>";
        assert_eq!(title(page).unwrap(), "A's <B> & C ©");
        assert_eq!(title("<p>none</p>"), None);
        assert_eq!(title("<title>&</title>").unwrap(), "&");
    }

    #[test]
    fn beauty_makes_no_difference() {
        assert_eq!(fold("A’s “B” – C…"), fold("A's \"B\" -- C..."));
        assert_ne!(fold("Mock-Up Home"), fold("Mock-Up Customer"));
    }

    #[test]
    fn a_page_in_one_colour_is_blank() {
        let white = Picture::read(&png(4, 4, &[255; 48])).unwrap();
        assert!(white.is_blank());
        let many: Vec<u8> = (0..48).collect();
        let picture = Picture::read(&png(4, 4, &many)).unwrap();
        assert!(!picture.is_blank());
        assert_eq!(picture.to_string(), "4 × 4 pixels in 16 colours");
        assert!(Picture::read(b"<html>").is_err());
    }
}
