# The fits of a call with dummy columns for a fixed factor, and with its levels as a term of their
# own.
by_both_codings <- function(call, data) {
  call <- substitute(call)
  with_limit <- function(limit) {
    rlang::local_options(rlmm.large_factor = limit)
    suppressMessages(eval(call, list(d = data), parent.frame(2L)))
  }
  fits <- list(dummies = with_limit(Inf), levels = with_limit(20))
  expect_null(fits$dummies$fixed$large)
  expect_false(is.null(fits$levels$fixed$large))
  fits
}
