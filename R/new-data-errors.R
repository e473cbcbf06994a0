# Errors about new data, in the terms of the model.

abort_newdata <- function(..., class = NULL) {
  abort_rlmm(c(...), c(class, "rlmm_error_newdata"))
}

abort_newdata_type <- function(newdata) {
  abort_newdata(
    "`newdata` must be a data frame or a list.",
    x = it_is(newdata),
    i = if (is.matrix(newdata)) "Use `as.data.frame()`?",
    i = if (is_lazy_table(newdata)) "Read its rows by `dplyr::collect()`?"
  )
}

abort_missing_column <- function(name, expr, new, hint = NULL) {
  parts <- as.list(expr)[-1]
  uses <- Filter(\(part) name %in% all.vars(part), parts)
  use <- tick(deparse_one(uses[[1]]))
  abort_newdata(
    paste0("Can't find the variable ", tick(name), " in `newdata`."),
    i = if (use != tick(name)) paste0("The model uses it in ", use, "."),
    did_you_mean(name, names(new$data)),
    i = hint,
    class = "rlmm_error_variable"
  )
}

abort_newdata_variable <- function(cnd, expr, new) {
  absent <- setdiff(all.vars(expr), names(new$data))
  abort_rlmm(
    c(
      "Can't evaluate the variables of the model in `newdata`.",
      i = if (length(absent) > 0) {
        paste0(
          "`newdata` has no column ",
          enumerate(tick(absent), last = "or"),
          "."
        )
      }
    ),
    "rlmm_error_newdata",
    parent = cnd
  )
}

abort_newdata_length <- function(expr, found, n) {
  abort_newdata(
    paste0(
      "Each variable must have one value for each of the ",
      plural(n, "row"),
      " of `newdata`."
    ),
    x = paste0(tick(deparse_one(expr)), " has ", plural(found, "value"), ".")
  )
}

abort_newdata_class <- function(name, was, value) {
  abort_newdata(
    paste0(
      tick(name),
      " must be ",
      was,
      " in `newdata`, as it was in the fit."
    ),
    x = it_is(value)
  )
}

abort_newdata_columns <- function(name, n, found) {
  abort_newdata(
    sprintf(
      "%s must have %s in `newdata`, as it had in the fit.",
      tick(name),
      plural(n, "column")
    ),
    x = sprintf("It has %s.", plural(found, "column"))
  )
}

abort_unknown_level <- function(name, unseen, levels) {
  abort_newdata(
    paste0(
      "Can't predict for levels of ",
      tick(name),
      " that the model hasn't seen."
    ),
    x = describe_levels(unseen),
    i = paste0("The model knows ", enumerate(in_quotes(levels)), "."),
    class = "rlmm_error_unknown_level"
  )
}

abort_new_levels <- function(group, unseen, hints) {
  abort_rlmm(
    c(
      paste0(
        "Can't predict for levels of ",
        tick(group),
        " that the model hasn't seen."
      ),
      x = describe_levels(unseen),
      i = hints[["no_level"]]
    ),
    c("rlmm_error_new_levels", "rlmm_error_newdata"),
    group = group,
    levels = unseen
  )
}

abort_missing_level <- function(group, rows, hints) {
  abort_rlmm(
    c(
      paste0("Can't predict for a missing level of ", tick(group), "."),
      x = paste0("Missing at ", describe_rows(rows), "."),
      i = hints[["no_level"]]
    ),
    c("rlmm_error_new_levels", "rlmm_error_newdata"),
    group = group,
    rows = rows
  )
}

abort_not_row_wise <- function(group) {
  abort_newdata(
    paste0("Can't tell the levels of ", tick(group), " in new data."),
    x = "The level of a row depends on the other rows.",
    i = "Fit with the grouping factor as a column of `data`?"
  )
}

# Raises an error about ambiguous labels of levels: "a:b" with "c" reads as "a" with "b:c".
abort_ambiguous <- function(group, labels) {
  if (length(labels) == 0) {
    return(invisible())
  }
  abort_newdata(
    paste0("Can't tell apart levels of ", tick(group), "."),
    x = paste0(
      "More than one of its levels is called ",
      enumerate(in_quotes(labels), last = "or"),
      "."
    ),
    i = "Fit with factors that have no `:` in the names of their levels?"
  )
}

abort_argument_value <- function(name) {
  abort_newdata(
    paste0("Can't tell the ", name, " of new data."),
    x = paste0("The fit was given `", name, "` as values, not as a variable."),
    i = paste0("Fit with `", name, "` as a column of `data`?")
  )
}

describe_levels <- function(unseen) {
  paste0(
    plural(length(unseen), "new level"),
    ": ",
    enumerate(in_quotes(unseen)),
    "."
  )
}
