# Frequency weights, and rows with counts.

# The name of the column of a frame with the frequency of each row.
counts_name <- "(counts)"

frame_counts <- function(frame) frame[[counts_name]]

weight_types <- c("precision", "frequency")

read_weights_type <- function(type) one_of(type, weight_types, "weights_type")

#' The frame with each row repeated by its weight, without weights
#'
#' All results of the fit are then those for the repeated rows.
#' @noRd
repeat_rows <- function(frame) {
  weights <- frame[["(weights)"]]
  if (is.null(weights)) {
    return(frame)
  }
  check_frequencies(weights)
  if (!is.null(frame_counts(frame))) {
    return(multiplied_counts(frame, round(weights)))
  }
  times <- rep(seq_len(nrow(frame)), round(weights))
  kept <- setdiff(names(frame), "(weights)")
  repeated <- drop_unused(frame[times, kept, drop = FALSE])
  attr(repeated, "terms") <- attr(frame, "terms")
  repeated
}

# Multiplies the counts of a frame by weights, instead of repeating rows.
multiplied_counts <- function(frame, weights) {
  frame[[counts_name]] <- frame[[counts_name]] * weights
  kept <- setdiff(names(frame), "(weights)")
  counted <- drop_unused(frame[weights > 0, kept, drop = FALSE])
  attr(counted, "terms") <- attr(frame, "terms")
  counted
}

check_frequencies <- function(weights) {
  bad <- which(abs(weights - round(weights)) > 1e-8)
  if (length(bad) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`weights` must be whole numbers with `weights_type = \"frequency\"`.",
      x = sprintf(
        "%s that are not, at %s.",
        plural(length(bad), "value"),
        describe_rows(bad)
      )
    ),
    "rlmm_error_weights",
    rows = bad
  )
}
