# Families: converts the argument `family` to a family object and to its name in the core.

#' A family object, from one, from a function that returns one, or from its name
#' @param call The call with the argument `family`.
#' @noRd
read_family <- function(family, env, call = NULL) {
  family <- tryCatch(family, error = \(cnd) {
    abort_family_value(cnd, call$family, env)
  })
  if (is.null(family)) {
    abort_no_family()
  }
  family <- family_object(family, env)
  if (!inherits(family, "family")) {
    abort_no_family_object(family, call$family)
  }
  family <- own_family(family)
  check_known_family(family)
  family
}

# Evaluates the name of a function, or a function.
family_object <- function(family, env) {
  if (is.character(family) && length(family) == 1L && !is.na(family)) {
    family <- find_family(family, env)
  }
  if (!is.function(family)) {
    return(family)
  }
  tryCatch(family(), error = \(cnd) NULL) %||% family
}

# Replaces glmmTMB's object of the same name, which has no functions of a known theta.
own_family <- function(family) {
  if (family$family == "nbinom2") nbinom2(family$link) else family
}

check_known_family <- function(family) {
  name <- family$family
  if (startsWith(name, "quasi")) {
    abort_quasi(name)
  }
  if (is.null(family_row(core_family(family)))) {
    abort_family(paste0("\"", name, "\""), name)
  }
  if (!family$link %in% known_links()) {
    abort_link(family$link)
  }
  if (name == "gaussian" && family$link == "identity") {
    abort_linear()
  }
}

# The function of a name that returns a family: `"beta"` isn't R's function `beta()`.
find_family <- function(name, env) {
  found <- get0(name, envir = env, mode = "function") %||%
    get0(name, envir = asNamespace("stats"), mode = "function") %||%
    get0(name, envir = topenv(), mode = "function", inherits = FALSE)
  family <- tryCatch(found(), error = function(cnd) NULL)
  if (!inherits(family, "family")) {
    abort_family(in_quotes(name), name)
  }
  family
}

# The family that a function such as binomial() returns; other values as they are.
family_of <- function(family) {
  if (is.function(family)) {
    family <- tryCatch(family(), error = \(cnd) family)
  }
  family
}

abort_no_family_object <- function(family, written) {
  if (is.function(family) && is.symbol(written)) {
    name <- as.character(written)
    abort_family(paste0("the function ", tick(paste0(name, "()"))), name)
  }
  abort_family(describe_type(family))
}

#' The name of the family in the core; MASS calls its family "Negative Binomial(2.5)"
#' @noRd
core_family <- function(family) {
  if (startsWith(tolower(family$family), "negative binomial")) {
    "negative.binomial"
  } else {
    family$family
  }
}

#' Whether the variance has a dispersion parameter, which is estimated
#' @noRd
has_dispersion <- function(family) is_dispersed(core_family(family))

#' The known shape of a family object; `NA` if it is to be estimated
#' @noRd
family_shape <- function(family) {
  shape <- family_row(core_family(family))$shape
  value <- family[[shape$name]]
  if (is.null(shape$read) || isTRUE(is.na(value))) {
    return(value %||% NA_real_)
  }
  shape$read(family)
}

#' Whether a family has a shape other than a dispersion
#' @noRd
has_parameter <- function(family) {
  shape <- family_row(core_family(family))$shape
  !is.null(shape) && !shape$dispersion
}

#' The shape of a family object for simulation
#' @noRd
known_shape <- function(family) {
  shape <- family_shape(family)
  if (!is.na(shape)) {
    return(shape)
  }
  name <- core_family(family)
  abort_rlmm(
    c(
      sprintf("%s must be known.", family_row(name)$shape$words),
      i = "Give it as `newparams = list(shape = )`, or `MASS::negative.binomial(theta)`."
    ),
    "rlmm_error_family",
    arg = "family"
  )
}

known_links <- function() core_families()$links

# Errors --------------------------------------------------------------------

abort_no_family <- function() {
  abort_rlmm(
    c(
      "`rglmm()` needs a `family`.",
      i = "For example `family = binomial`; for a linear mixed model use `rlmm()`."
    ),
    "rlmm_error_family",
    arg = "family"
  )
}

#' @param written The expression of the argument; an unknown symbol may be a name without quotes, or
#'   a family function of a package that isn't attached.
#' @noRd
abort_family_value <- function(cnd, written, env) {
  named <- if (is.call(written)) written[[1L]] else written
  name <- if (is.symbol(named)) as.character(named) else "family"
  if (!exists(name, envir = env) && !is.null(family_hint(name))) {
    abort_family(tick(name), name)
  }
  abort_rlmm(
    c(
      "`family` can't be evaluated.",
      x = paste0("R says: ", conditionMessage(cnd), ".")
    ),
    "rlmm_error_family",
    arg = "family",
    parent = cnd
  )
}

abort_family <- function(found, name = NULL) {
  abort_rlmm(
    c(
      "`family` must be one of the families that `rglmm()` knows.",
      x = paste0("It is ", found, "."),
      if (!is.null(name)) family_hint(name),
      i = paste0(
        "They are ",
        enumerate(tick(named_families()), max = 10L),
        ", or `MASS::negative.binomial(theta)`."
      )
    ),
    "rlmm_error_family",
    arg = "family"
  )
}

#' The hint for a name that isn't one of a family here: it may be a link, a name in another package,
#' or a family of another package
#' @noRd
family_hint <- function(name) {
  plain <- gsub("[^a-z0-9]", "", tolower(name))
  if (name %in% known_links()) {
    return(link_hint(name))
  }
  meant <- family_aliases[plain]
  if (!is.na(meant)) {
    return(c(i = sprintf("Here it is %s.", tick(meant))))
  }
  if (plain %in% families_elsewhere) {
    return(c(i = "`glmmTMB::glmmTMB()` has such a family."))
  }
  if (plain %in% ordinal_families) {
    return(c(
      i = "For an ordered response see the package ordinal, with its `clmm()`."
    ))
  }
  if (plain %in% c("multinomial", "categorical")) {
    return(c(
      i = "For a response of several categories see the package mclogit."
    ))
  }
  did_you_mean(name, c(named_families(), "bernoulli"))
}

# The hint for a link that is commonly used with the binomial only.
link_hint <- function(name) {
  is_binomial <- name %in% c("logit", "probit", "cloglog", "cauchit")
  hint <- if (is_binomial) {
    "That is a link: write `family = binomial(link = %s)`."
  } else {
    "That is a link, which stands in a family: `poisson(link = %s)`, for one."
  }
  c(i = sprintf(hint, in_quotes(name)))
}

# Names of the families in other programs, in lower case and without punctuation.
family_aliases <- c(
  bernoulli = "binomial",
  binary = "binomial",
  logistic = "binomial",
  normal = "rlmm()",
  nb = "rglmm_nb()",
  nbinom = "rglmm_nb()",
  negbin = "rglmm_nb()",
  negbinomial = "rglmm_nb()",
  negativebinomial = "rglmm_nb()",
  invgauss = "inverse.gaussian",
  inversenormal = "inverse.gaussian"
)

families_elsewhere <- c(
  "beta",
  "betafamily",
  "betabinomial",
  "ordbeta",
  "genpois",
  "compois",
  "tweedie",
  "t",
  "tfamily",
  "student",
  "lognormal",
  "skewnormal",
  "bell",
  "truncatedpoisson",
  "truncatednbinom1",
  "truncatednbinom2",
  "zigamma",
  "zip",
  "zinb",
  "zeroinflatedpoisson",
  "zeroinflatednegbinomial",
  "hurdlepoisson",
  "hurdlenegbinomial"
)

ordinal_families <- c("cumulative", "ordinal", "sratio", "cratio", "acat")

abort_quasi <- function(name) {
  abort_rlmm(
    c(
      "`family` must be a distribution.",
      x = paste0(
        "`",
        name,
        "` has no likelihood, which the random effects need."
      ),
      i = if (name != "quasi") {
        paste0(
          "For overdispersion use `",
          sub("^quasi", "", name),
          "` with a random effect for each observation?"
        )
      }
    ),
    "rlmm_error_family",
    arg = "family"
  )
}

abort_link <- function(link) {
  abort_rlmm(
    c(
      "The link must be one that `rglmm()` knows.",
      x = paste0("It is \"", link, "\"."),
      i = paste0(
        "They are ",
        enumerate(dQuote(known_links(), FALSE), max = 10L),
        "."
      )
    ),
    "rlmm_error_family",
    arg = "family"
  )
}

abort_linear <- function() {
  abort_rlmm(
    c(
      "A linear mixed model isn't fitted by `rglmm()`.",
      x = "`family` is gaussian, with the identity as its link.",
      i = "Use `rlmm()`, without `family`."
    ),
    "rlmm_error_family",
    arg = "family"
  )
}
