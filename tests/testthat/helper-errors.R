# Class and text of an error, for snapshots: testthat's own way to show an error differs between its
# versions.
error_lines <- function(expr) {
  cnd <- tryCatch(expr, error = identity)
  c(class(cnd)[1], conditionMessage(cnd))
}

# The first condition of an expression, of any kind, likewise.
condition_lines <- function(expr) {
  cnd <- rlang::catch_cnd(expr)
  c(class(cnd)[1], conditionMessage(cnd))
}
