# Values of covariates that are in no simple relation to each other, for identities between columns
# of X that hold in any data.

#' @param n The number of values.
#' @param seed A number that no other covariate has.
#' @param class The class of the variable in a terms object, such as "nmatrix.2".
#' @noRd
synthetic_covariates <- function(n, seed, class) {
  columns <- columns_of_class(class)
  column <- rep(seq_len(columns), each = n)
  steps <- seq_len(n) * sqrt(seed + 1) + column * pi
  values <- sin(steps^2)
  if (columns > 1L) matrix(values, n) else values
}

# The number of columns of a variable, from its class: "nmatrix.2" has two.
columns_of_class <- function(class) {
  columns <- as.integer(sub("^[a-z]*[.]?", "", class))
  if (is.na(columns)) 1L else columns
}
