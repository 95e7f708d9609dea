//! The digest against a second implementation, value by value, and against vectors that never change.
