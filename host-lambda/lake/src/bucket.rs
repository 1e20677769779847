//! The six buckets.

/// What a bucket is for. Each stage writes its own two at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Ingested data, manifests and the lake's identity.
    Ingestion,
    /// Records of extractions and of checks that found nothing.
    ExtractionTimes,
    /// Transformed data.
    TransformedData,
    /// Records of transformations.
    TransformationTimes,
    /// Records of loads.
    LoadTimes,
    /// Components, their artefacts and the catalog.
    Code,
}

impl Bucket {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ingestion,
        Self::ExtractionTimes,
        Self::TransformedData,
        Self::TransformationTimes,
        Self::LoadTimes,
        Self::Code,
    ];
}

/// The name of each bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketNames {
    /// Of [`Bucket::Ingestion`].
    pub ingestion: String,
    /// Of [`Bucket::ExtractionTimes`].
    pub extraction_times: String,
    /// Of [`Bucket::TransformedData`].
    pub transformed_data: String,
    /// Of [`Bucket::TransformationTimes`].
    pub transformation_times: String,
    /// Of [`Bucket::LoadTimes`].
    pub load_times: String,
    /// Of [`Bucket::Code`].
    pub code: String,
}

impl BucketNames {
    /// The prefix, a hyphen and the bucket's purpose: `totesys-ingestion` and so on.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        Self {
            ingestion: format!("{prefix}-ingestion"),
            extraction_times: format!("{prefix}-extraction-times"),
            transformed_data: format!("{prefix}-transformed-data"),
            transformation_times: format!("{prefix}-transformation-times"),
            load_times: format!("{prefix}-load-times"),
            code: format!("{prefix}-code"),
        }
    }

    /// The name of a bucket.
    #[must_use]
    pub fn name(&self, bucket: Bucket) -> &str {
        match bucket {
            Bucket::Ingestion => &self.ingestion,
            Bucket::ExtractionTimes => &self.extraction_times,
            Bucket::TransformedData => &self.transformed_data,
            Bucket::TransformationTimes => &self.transformation_times,
            Bucket::LoadTimes => &self.load_times,
            Bucket::Code => &self.code,
        }
    }
}

/// Whether S3 takes a name: 3 to 63 lower-case letters, digits, hyphens and dots.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && ends(name.as_bytes().first())
        && ends(name.as_bytes().last())
}
