# Saves and restores the state of R's random number generator around simulations with a seed.

#' Simulates with a seed and then restores the generator; without a seed, uses the generator as it
#' is
#' @param draw A function of the state of the generator at the start.
#' @noRd
with_seed <- function(seed, draw) {
  state <- start_generator(seed)
  if (!is.null(seed)) {
    on.exit(restore_generator(state$before))
  }
  draw(state$start)
}

#' Sets the seed, if one is given
#' @return A list: the state `before` the seed was set, and at the `start` of the simulation.
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
  largest <- .Machine$integer.max
  if (is.null(seed) || (is_number(seed) && abs(seed) <= largest)) {
    return(invisible())
  }
  abort_argument(
    "`seed` must be `NULL` or a whole number, as for `set.seed()`.",
    x = it_is(seed),
    arg = "seed"
  )
}
