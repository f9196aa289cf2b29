//! Floor 3: the real clock, entropy, threads and files of `base::world`. Uses base only.
