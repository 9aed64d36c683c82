//! Small stores for tests, written without the reader's own code.
