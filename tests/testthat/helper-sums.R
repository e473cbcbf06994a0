# Data of fits of sums, readers of chunks, and the comparison with fits of rows.

lectures_formula <- y ~ service + (1 | s) + (service | dept)

some_lectures <- function() InstEval[seq(1, nrow(InstEval), by = 12), ]

# A reader of chunks of some rows.
reader_of <- function(data, size) {
  from <- 1
  function(reset) {
    if (reset) {
      from <<- 1
      return(NULL)
    }
    rows <- seq_len(nrow(data))
    rows <- rows[rows >= from & rows < from + size]
    from <<- from + size
    if (length(rows) > 0) data[rows, , drop = FALSE]
  }
}

# A reader of some chunks.
in_chunks <- function(parts) {
  at <- new.env()
  function(reset) {
    at$place <- if (reset) 0L else at$place + 1L
    if (at$place %in% seq_along(parts)) parts[[at$place]]
  }
}

# Both fits have the same estimates and errors.
expect_equal_fits <- function(found, fit, tolerance = 1e-7) {
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-12)
  expect_equal(fixef(found), fixef(fit), tolerance = tolerance)
  expect_equal(vcov(found), vcov(fit), tolerance = tolerance)
  expect_equal(
    getME(found, "theta"),
    getME(fit, "theta"),
    tolerance = tolerance
  )
}
