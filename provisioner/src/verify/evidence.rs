//! What was seen while a check was made: texts such as the headers of a message, and pictures of pages.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// Something that was seen, with what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it is, in a few words.
    pub title: String,
    /// The thing itself.
    pub kind: EvidenceKind,
}

/// The forms that evidence has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceKind {
    /// Text as it came.
    Text(String),
    /// A picture.
    Png {
        /// The picture as a PNG file.
        bytes: Vec<u8>,
        /// The file that it was kept in, if it was.
        file: Option<String>,
    },
}

impl Evidence {
    /// Makes evidence of a text.
    pub fn text(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            kind: EvidenceKind::Text(text.into()),
        }
    }

    /// Makes evidence of a picture, and of the file that it was kept in.
    pub fn png(title: impl Into<String>, bytes: Vec<u8>, file: Option<String>) -> Self {
        Self {
            title: title.into(),
            kind: EvidenceKind::Png { bytes, file },
        }
    }
}

impl Serialize for Evidence {
    /// A text is given as it is, a picture by its size and its file: a program that wants it reads the file.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Evidence", 3)?;
        fields.serialize_field("title", &self.title)?;
        match &self.kind {
            EvidenceKind::Text(text) => fields.serialize_field("text", text)?,
            EvidenceKind::Png { bytes, file } => {
                fields.serialize_field("png_bytes", &bytes.len())?;
                if let Some(file) = file {
                    fields.serialize_field("file", file)?;
                }
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_program_gets_texts_but_no_pictures() {
        let headers = Evidence::text("headers", "Received: by mail\n");
        assert_eq!(
            json!(headers),
            json!({ "title": "headers", "text": "Received: by mail\n" })
        );
        let page = |file| Evidence::png("the page", vec![1, 2, 3], file);
        assert_eq!(
            json!(page(Some(".artefacts/office-page.png".to_owned()))),
            json!({ "title": "the page", "png_bytes": 3, "file": ".artefacts/office-page.png" })
        );
        assert_eq!(
            json!(page(None)),
            json!({ "title": "the page", "png_bytes": 3 })
        );
    }
}
