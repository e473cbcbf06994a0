# The tables of bench/validation.R: what differs in a row and why, and the counts of both.

much <- 1e-4

note_of <- function(row, peers) {
  notes <- c(
    lower_note(row),
    peer_note("lme4", row$lme4, peers$lme4),
    peer_note("glmmTMB", row$glmmTMB, peers$glmmTMB),
    if (row$verdict != "optimal") paste("verdict:", row$verdict),
    estimates_note(row)
  )
  paste(notes, collapse = "; ")
}

lower_note <- function(row) {
  gains <- unlist(row[c("lme4", "glmmTMB", "others")])
  gains <- gains[is.finite(gains)]
  if (length(gains) == 0 || min(gains) > -much) {
    return(NULL)
  }
  sprintf("rlmm is %s above %s", short(-min(gains)), names(which.min(gains)))
}

peer_note <- function(name, excess, peer) {
  if (is.character(peer)) {
    return(paste0(name, " fails: ", substr(first_line(peer), 1, 60)))
  }
  if (is.null(peer)) {
    return(NULL)
  }
  difference <- abs(peer$value - peer$objective)
  c(
    if (!is.finite(excess)) paste(name, "reports no optimum"),
    if (isTRUE(excess > much)) paste(name, "stops", short(excess), "above"),
    if (isTRUE(difference > 1e-3)) {
      paste(name, "differs at the same estimates by", short(difference))
    }
  )
}

estimates_note <- function(row) {
  same_point <- isTRUE(abs(min(row$lme4, row$glmmTMB, na.rm = TRUE)) < 1e-6)
  if (!same_point) {
    return(NULL)
  }
  c(
    if (isTRUE(row$beta > 0.01)) "estimates differ on a flat objective",
    if (isTRUE(row$std_error > 0.02)) "standard errors differ at one optimum"
  )
}

short <- function(x) format(signif(x, 2), scientific = x < 1e-3)

# The kinds of differences: a pattern of the notes, and why.
kinds <- list(
  c(
    "rlmm is .* above",
    "A point that is better by more than 1e-4 was found by a peer, or by another optimizer of rlmm."
  ),
  c(
    "rlmm refuses",
    "The model isn't one, or the data can't be used: a classed error says why."
  ),
  c("verdict", "The certificate of the fit says that it isn't an optimum."),
  c(
    "lme4 stops",
    "lme4's optimizers go without derivatives and stop where they make little progress."
  ),
  c(
    "glmmTMB stops",
    "glmmTMB takes logarithms of standard deviations: one of zero is never reached."
  ),
  c(
    "lme4 differs at",
    "lme4 2.1 ends its iteration for the dispersion early (see ?rglmm), or that for the modes."
  ),
  c(
    "glmmTMB differs at",
    "A diagonal covariance, whose estimates this script doesn't carry over: not a fault of glmmTMB."
  ),
  c(
    "reports no optimum",
    "The Hessian isn't positive definite: no log-likelihood is reported."
  ),
  c("lme4 fails", "lme4 ends in an error."),
  c("glmmTMB fails", "glmmTMB ends in an error, or doesn't have the model."),
  c(
    "estimates differ",
    "The objective is flat: several estimates are as good."
  ),
  c(
    "standard errors differ",
    paste(
      "Near zero variances a Hessian by differences fails; lme4 then leaves out the uncertainty",
      "of the variances. Those of rlmm were held to dense algebra, or to differences."
    )
  )
)

table_of_kinds <- function(rows) {
  counted <- lapply(kinds, \(kind) {
    of_kind <- rows[grepl(kind[1], rows$note), ]
    data.frame(
      difference = gsub(".*", "...", kind[1], fixed = TRUE),
      models = nrow(of_kind),
      why = kind[2],
      example = if (nrow(of_kind) > 0) example_of(of_kind, kind[1]) else ""
    )
  })
  do.call(rbind, counted)
}

example_of <- function(rows, pattern) {
  row <- rows[1, ]
  notes <- strsplit(row$note, "; ", fixed = TRUE)[[1]]
  paste0(row$id, ": ", grep(pattern, notes, value = TRUE)[1])
}

# Which standard errors are right where those of a peer differ by more than 2 %.
errors_note <- function(rows) {
  differ <- which(rows$std_error > 0.02)
  why <- unanswerable[rows$id[differ]]
  is_right <- rows$checked[differ] < 0.02
  why[is.na(why) & is_right %in% TRUE] <- "those of rlmm are right"
  why[is.na(why)] <- "which are right is unknown"
  notes <- sub("; standard errors differ at one optimum", "", rows$note[differ])
  notes <- sub("standard errors differ at one optimum(; )?", "", notes)
  told <- paste("standard errors differ:", why)
  rows$note[differ] <- ifelse(notes == "", told, paste0(notes, "; ", told))
  rows$note
}

# Models whose standard errors mean nothing, whichever program gives them.
unanswerable <- c(
  "lmerTest::carrots 2" = "the data are separated, none means anything",
  "gap.datasets::mao 2" = "two terms have the same groups, the Hessian is singular",
  "lme4::cake 2" = "the response is a function of the covariates, without an error"
)

# A row for each family: how often each program is more than 1e-4 above the best.
summary_table <- function(rows) {
  rows$best <- pmin(0, rows$lme4, rows$glmmTMB, rows$others, na.rm = TRUE)
  by_family <- split(rows, rows$family)
  out <- do.call(rbind, lapply(by_family, family_row))
  out[order(-out$models), ]
}

family_row <- function(rows) {
  above <- \(x) sum(x - rows$best > much, na.rm = TRUE)
  compared <- \(x) sum(!is.na(x))
  agree <- abs(rows$std_error) < 0.02 | rows$checked < 0.02
  data.frame(
    family = rows$family[1],
    models = nrow(rows),
    rlmm_above = above(0 * rows$objective),
    lme4 = compared(rows$lme4),
    lme4_above = above(rows$lme4),
    glmmTMB = compared(rows$glmmTMB),
    glmmTMB_above = above(rows$glmmTMB),
    others_above = above(rows$others),
    optimal = sum(rows$verdict == "optimal"),
    errors_right = sum(agree, na.rm = TRUE),
    errors_compared = sum(!is.na(agree))
  )
}

write_tables <- function() {
  rows <- read_parts()
  errors <- "bench/validation-errors.csv"
  rows$checked <- NA_real_
  if (file.exists(errors)) {
    known <- utils::read.csv(errors)
    rows$checked <- known$checked[match(rows$id, known$id)]
  }
  rows$note <- errors_note(rows)
  write_csv(rows, "bench/validation.csv")
  write_csv(summary_table(rows), "vignettes/validation-summary.csv")
  write_csv(table_of_kinds(rows), "vignettes/validation-kinds.csv")
}

write_csv <- function(table, file) {
  utils::write.csv(table, file, row.names = FALSE, na = "")
}
