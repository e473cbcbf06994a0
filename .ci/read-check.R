# Fails if a log of R CMD check holds an error, a warning, or a note that could be avoided.
# Usage: Rscript read-check.R 00check.log

# What can't be helped: the size of a compiled Rust library, a first submission, a machine without
# the time server.
unavoidable <- c(
  "installed package size",
  "CRAN incoming feasibility",
  "future file timestamps"
)

# The entries of a log, "* checking ..." each with the lines that belong to it.
entries <- function(lines) {
  start <- grepl("^\\* ", lines)
  unname(split(lines[cumsum(start) > 0], cumsum(start)[cumsum(start) > 0]))
}

status <- function(entry) {
  found <- regmatches(
    entry[[1L]],
    regexpr("(ERROR|WARNING|NOTE)$", entry[[1L]])
  )
  # Some checks end their line before the verdict.
  if (length(found) == 0L) {
    found <- intersect(
      c("ERROR", "WARNING", "NOTE"),
      trimws(sub("^ *\\[[^]]*\\]", "", entry))
    )
  }
  if (length(found)) found[[1L]] else "OK"
}

log <- readLines(commandArgs(trailingOnly = TRUE)[[1L]])
all <- entries(log)
statuses <- vapply(all, status, "")
if (!any(grepl("^Status:", log)) && !any(grepl("^\\* DONE", log))) {
  stop("The check did not come to its end.")
}

excused <- statuses == "NOTE" &
  grepl(paste(unavoidable, collapse = "|"), vapply(all, `[[`, "", 1L))
for (entry in all[statuses != "OK"]) {
  cat(entry, sep = "\n")
}
bad <- sum(statuses != "OK" & !excused)
cat(sprintf(
  "%d checks, %d excused notes, %d problems\n",
  length(all),
  sum(excused),
  bad
))
quit(status = as.integer(bad > 0L))
