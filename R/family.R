# Families: what the user gives as `family`, and what the core calls it.

core_families <- c(
  "binomial",
  "poisson",
  "Gamma",
  "inverse.gaussian",
  "gaussian",
  "negative.binomial"
)

dispersion_families <- c("Gamma", "inverse.gaussian", "gaussian")

core_links <- c(
  "logit",
  "probit",
  "cloglog",
  "cauchit",
  "log",
  "sqrt",
  "identity",
  "inverse",
  "1/mu^2"
)

#' An R family object, from one, a function that makes one, or its name
#' @param written The argument as the user wrote it.
#' @noRd
read_family <- function(family, env, written = NULL) {
  family <- tryCatch(family, error = abort_family_value)
  if (is.null(family)) {
    abort_no_family()
  }
  if (is.character(family) && length(family) == 1L && !is.na(family)) {
    family <- find_family(family, env)
  }
  if (is.function(family)) {
    family <- tryCatch(family(), error = \(cnd) NULL) %||% family
  }
  if (!inherits(family, "family")) {
    abort_no_family_object(family, written)
  }
  check_known_family(family)
  family
}

check_known_family <- function(family) {
  name <- family$family
  if (startsWith(name, "quasi")) {
    abort_quasi(name)
  }
  if (!core_family(family) %in% core_families) {
    abort_family(paste0("\"", name, "\""), name)
  }
  if (!family$link %in% core_links) {
    abort_link(family$link)
  }
  if (name == "gaussian" && family$link == "identity") {
    abort_linear()
  }
}

# A name means the function that makes a family: `"beta"` isn't R's function `beta()`.
find_family <- function(name, env) {
  found <- get0(name, envir = env, mode = "function") %||%
    get0(name, envir = asNamespace("stats"), mode = "function")
  family <- tryCatch(found(), error = function(cnd) NULL)
  if (!inherits(family, "family")) {
    abort_family(in_quotes(name), name)
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

#' Theta of a negative binomial family
#' @noRd
family_theta <- function(family) {
  theta <- family$theta %||%
    get0(".Theta", envir = environment(family$variance), inherits = FALSE) %||%
    suppressWarnings(as.double(gsub("^[^(]*\\(|\\)$", "", family$family)))
  if (is_number(theta) && is.finite(theta) && theta > 0) {
    return(theta)
  }
  abort_rlmm(
    c(
      "The negative binomial family must have a known, positive theta.",
      x = paste0("It is ", family$family, "."),
      i = "For example `MASS::negative.binomial(2)`."
    ),
    "rlmm_error_family"
  )
}

#' Whether the variance has a dispersion parameter, which is estimated
#' @noRd
has_dispersion <- function(family) core_family(family) %in% dispersion_families

#' The negative binomial family with variance mu + mu^2 / theta, as MASS names it
#' @param theta `NA`: to be estimated.
#' @noRd
nb_family <- function(theta = NA_real_, link = "log") {
  shown <- if (is.na(theta)) "?" else format(round(theta, 4))
  links <- stats::make.link(link)
  parts <- c("linkfun", "linkinv", "mu.eta", "valideta")
  structure(
    c(
      list(family = sprintf("Negative Binomial(%s)", shown), link = links$name),
      unclass(links)[parts],
      nb_functions(theta),
      list(theta = theta)
    ),
    class = "family"
  )
}

# The elements of a family object that depend on theta.
nb_functions <- function(theta) {
  list(
    variance = \(mu) mu + mu^2 / theta,
    dev.resids = \(y, mu, wt) nb_deviance(y, mu, wt, theta),
    aic = \(y, n, mu, wt, dev) {
      -2 * sum(wt * stats::dnbinom(y, theta, mu = mu, log = TRUE))
    },
    validmu = \(mu) all(mu > 0),
    initialize = expression({
      n <- rep(1, nobs)
      mustart <- y + (y == 0) / 6
    }),
    simulate = \(object, nsim) {
      mu <- stats::fitted(object)
      stats::rnbinom(nsim * length(mu), theta, mu = mu)
    }
  )
}

nb_deviance <- function(y, mu, weights, theta) {
  saturated <- y * log(pmax(1, y) / mu)
  2 * weights * (saturated - (y + theta) * log((y + theta) / (mu + theta)))
}

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

abort_family_value <- function(cnd) {
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
        enumerate(tick(core_families[1:5])),
        ", or `MASS::negative.binomial(theta)`."
      ),
      i = "For a negative binomial whose theta is estimated use `rglmm_nb()`."
    ),
    "rlmm_error_family",
    arg = "family"
  )
}

#' What a name that isn't one of a family here may have meant: a link, another name, or a family of another package
#' @noRd
family_hint <- function(name) {
  plain <- gsub("[^a-z0-9]", "", tolower(name))
  if (name %in% c("logit", "probit", "cloglog", "cauchit")) {
    return(c(
      i = paste0(
        "That is a link: write `family = binomial(link = ",
        in_quotes(name),
        ")`."
      )
    ))
  }
  if (name %in% core_links) {
    return(c(
      i = paste0(
        "That is a link, which stands in a family: `poisson(link = ",
        in_quotes(name),
        ")`, for one."
      )
    ))
  }
  meant <- family_aliases[plain]
  if (!is.na(meant)) {
    return(c(i = paste0("Here it is ", tick(meant), ".")))
  }
  if (plain %in% families_elsewhere) {
    return(c(i = "`glmmTMB::glmmTMB()` has such a family."))
  }
  did_you_mean(name, core_families[1:5])
}

# Names that other programs give to the families here, without capitals and punctuation.
family_aliases <- c(
  bernoulli = "binomial",
  binary = "binomial",
  logistic = "binomial",
  normal = "rlmm()",
  nbinom = "rglmm_nb()",
  nbinom2 = "rglmm_nb()",
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
  "nbinom1",
  "genpois",
  "compois",
  "tweedie",
  "tfamily",
  "student",
  "lognormal",
  "skewnormal",
  "bell",
  "truncatedpoisson",
  "truncatednbinom1",
  "truncatednbinom2",
  "zigamma"
)

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
        enumerate(dQuote(core_links, FALSE), max = 10L),
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
