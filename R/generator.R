# The state of R's random number generator around draws with a seed.

#' Sets the seed, if one is given.
#' @return The state `before` the seed was set, and at the `start` of the draws.
#' @noRd
start_generator <- function(seed) {
  if (!exists(".Random.seed", envir = globalenv(), inherits = FALSE)) {
    stats::runif(1)
  }
  before <- get(".Random.seed", envir = globalenv())
  if (!is.null(seed)) {
    set.seed(seed)
  }
  list(
    before = before,
    start = get(".Random.seed", envir = globalenv())
  )
}

restore_generator <- function(state) {
  assign(".Random.seed", state, envir = globalenv())
}

check_seed <- function(seed) {
  if (is.null(seed) || (is_number(seed) && abs(seed) <= .Machine$integer.max)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`seed` must be `NULL` or a whole number, as for `set.seed()`.",
      x = paste0("It is ", describe_type(seed), ".")
    ),
    "rlmm_error_argument",
    arg = "seed"
  )
}
