#' The available memory in bytes, as reported by the system; otherwise 8 GiB
#' @noRd
free_memory <- function() {
  free <- core_free_memory()
  if (is.nan(free)) 8 * 2^30 else free
}
