"""What R needs to repeat each test: how it reads values.csv, and the test itself.

Base R is enough but for the model of groups over time (lme4): a reader need not install what may
not be there. Every program prints a line ``p …``, with a margin also ``margin p …``.
"""

R_GROUPS = """\
# values.csv has the columns group, value, count
d <- read.csv("{file}", encoding = "UTF-8", na.strings = "", colClasses = c(group = "character"))
d <- d[!is.na(d$value) & is.finite(d$value), ]
d <- d[rep(seq_len(nrow(d)), d$count), ]
groups <- c({names})
d <- d[d$group %in% groups, ]
d$group <- factor(d$group, levels = groups)
"""
R_TWO = """\
a <- d$value[d$group == groups[1]]
b <- d$value[d$group == groups[2]]
"""
R_VISITS = """\
# values.csv has the columns subject, time, value (and group, baseline); count, where it is given,
# says how many subjects have these values
d <- read.csv("{file}", encoding = "UTF-8", na.strings = "")
d$count <- if ("count" %in% names(d)) d$count else 1
d <- d[rep(seq_len(nrow(d)), d$count), ]
d$subject <- paste(d$subject, ave(seq_len(nrow(d)), d$subject, d$time, FUN = seq_along))
times <- c({names})
d <- d[d$time %in% times & !is.na(d$value), ]
w <- reshape(d[, c("subject", "time", "value")], idvar = "subject", timevar = "time",
             direction = "wide")
w <- w[complete.cases(w), paste0("value.", times)]
"""
R_CATEGORIES = """\
# values.csv has the columns group, value, count
d <- read.csv("{file}", encoding = "UTF-8", na.strings = "",
              colClasses = c(group = "character", value = "character"))
d <- d[!is.na(d$value), ]
d <- d[rep(seq_len(nrow(d)), d$count), ]
groups <- c({names})
d <- d[d$group %in% groups, ]
d$group <- factor(d$group, levels = groups)
"""
R_RATES = """\
# values.csv has the columns group, value (events), exposure
d <- read.csv("{file}", encoding = "UTF-8", na.strings = "", colClasses = c(group = "character"))
groups <- c({names})
events <- tapply(d$value, d$group, sum)[groups]
exposure <- tapply(d$exposure, d$group, sum)[groups]
"""
R_GAMES_HOWELL = """\
m <- tapply({y}, d$group, mean)
v <- tapply({y}, d$group, var) / table(d$group)
for (i in combn(length(groups), 2, simplify = FALSE)) {{
  e <- sum(v[i])
  df <- e^2 / sum(v[i]^2 / (table(d$group)[i] - 1))
  q <- abs(diff(m[i])) / sqrt(e / 2)
  half <- qtukey({level}, length(groups), df) * sqrt(e / 2)
  cat(groups[i], "Games-Howell", {show}(-diff(m[i]) + c(0, -half, half)), "p of the pair",
      ptukey(q, length(groups), df, lower.tail = FALSE), "\\n")
}}
"""
R_DUNN = """\
ranks <- rank(d$value)
n <- table(d$group)
ties <- table(d$value)
spread <- length(ranks) * (length(ranks) + 1) / 12 - sum(ties^3 - ties) / (12 * (length(ranks) - 1))
pairs <- combn(length(groups), 2)
m <- tapply(ranks, d$group, mean)
z <- (m[pairs[1, ]] - m[pairs[2, ]]) / sqrt(spread * (1 / n[pairs[1, ]] + 1 / n[pairs[2, ]]))
p <- 2 * pnorm(-abs(z))
print(data.frame(first = groups[pairs[1, ]], second = groups[pairs[2, ]], z = as.numeric(z),
                 p = as.numeric(p), holm = p.adjust(p, "holm"), bh = p.adjust(p, "BH")))
"""
R_SHARES = """\
x <- c(sum(a == 1), sum(b == 1))
n <- c(length(a), length(b))
l <- rbind(prop.test(x[1], n[1], correct = FALSE, conf.level = {level})$conf.int,
           prop.test(x[2], n[2], correct = FALSE, conf.level = {level})$conf.int)
s <- x / n
cat("risk difference", s[1] - s[2], "Newcombe",
    s[1] - s[2] - sqrt((s[1] - l[1, 1])^2 + (l[2, 2] - s[2])^2),
    s[1] - s[2] + sqrt((l[1, 2] - s[1])^2 + (s[2] - l[2, 1])^2), "\\n")
"""
R_TESTS = {
    "Welch t on logarithms": R_TWO
    + """\
fit <- t.test(log(a), log(b), conf.level = {level})
cat("ratio of geometric means", exp(-diff(fit$estimate)), exp(fit$conf.int), "\\n")
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "Welch t": R_TWO
    + """\
fit <- t.test(a, b, conf.level = {level})
cat("difference", -diff(fit$estimate), fit$conf.int, "\\n")
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "Mann–Whitney": R_TWO
    + """\
fit <- wilcox.test(a, b, exact = FALSE, conf.int = TRUE, conf.level = {level})
cat("shift", fit$estimate, fit$conf.int, "\\n")
cat("Cliff's delta", 2 * fit$statistic / length(a) / length(b) - 1, "\\n")
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "Mann–Whitney, exact": R_TWO
    + """\
# exact with ties: the ways in which each sum of doubled mid-ranks comes about
r <- 2 * rank(c(a, b))
n <- length(a)
ways <- matrix(0, n + 1, sum(r) + 1)
ways[1, 1] <- 1
for (k in r) {{
  to <- (k + 1):ncol(ways)
  ways[-1, to] <- ways[-1, to] + ways[-(n + 1), to - k]
}}
chance <- ways[n + 1, ] / choose(length(r), n)
at <- sum(r[seq_len(n)]) + 1
differences <- outer(a, b, "-")
cat("shift", median(differences), "\\n")
cat("Cliff's delta", mean(sign(differences)), "\\n")
both <- c(sum(chance[1:at]), sum(chance[at:length(chance)]))
cat("p", format(min(1, 2 * min(both)), digits = 12), "\\n")
""",
    "Brunner–Munzel": R_TWO
    + """\
n <- c(length(a), length(b))
r <- rank(c(a, b))
above <- r[seq_len(n[1])] - rank(a)
below <- r[-seq_len(n[1])] - rank(b)
v <- c(var(above) / n[1] / n[2]^2, var(below) / n[2] / n[1]^2)
df <- sum(v)^2 / sum(v^2 / (n - 1))
higher <- mean(above) / n[2]
half <- qt((1 + {level}) / 2, df) * sqrt(sum(v))
cat("probability that a is higher", higher, higher - half, higher + half, "\\n")
cat("p", format(2 * pt(-abs(higher - 0.5) / sqrt(sum(v)), df), digits = 12), "\\n")
""",
    "Welch ANOVA on logarithms": """\
cat("p", format(oneway.test(log(value) ~ group, data = d)$p.value, digits = 12), "\\n")
"""
    + R_GAMES_HOWELL.replace("{y}", "log(d$value)").replace("{show}", "exp"),
    "Welch ANOVA": """\
cat("p", format(oneway.test(value ~ group, data = d)$p.value, digits = 12), "\\n")
"""
    + R_GAMES_HOWELL.replace("{y}", "d$value").replace("{show}", ""),
    "Kruskal–Wallis": """\
cat("p", format(kruskal.test(value ~ group, data = d)$p.value, digits = 12), "\\n")
"""
    + R_DUNN,
    "χ²": """\
fit <- chisq.test(table(d$group, d$value), correct = FALSE)
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "Fisher mid-p": R_TWO
    + R_SHARES
    + """\
half <- dhyper(x[1], sum(x), sum(n) - sum(x), n[1]) / 2
below <- phyper(x[1], sum(x), sum(n) - sum(x), n[1]) - half
cat("p", format(min(1, 2 * min(below, 1 - below)), digits = 12), "\\n")
""",
    "Fisher–Freeman–Halton, simulated": """\
fit <- fisher.test(table(d$group, d$value), simulate.p.value = TRUE, B = 99999)
cat("p", fit$p.value, "\\n")
""",
    "Wilcoxon signed rank, exact": """\
change <- w[[2]] - w[[1]]
change <- change[change != 0]
# exact with ties: each doubled mid-rank is positive or negative by a fair coin
r <- 2 * rank(abs(change))
chance <- c(1, numeric(sum(r)))
for (k in r) chance <- (chance + c(numeric(k), head(chance, -k))) / 2
at <- sum(r[change > 0]) + 1
both <- c(sum(chance[1:at]), sum(chance[at:length(chance)]))
walsh <- outer(change, change, "+") / 2
cat("typical change", median(walsh[upper.tri(walsh, diag = TRUE)]), "\\n")
cat("p", format(min(1, 2 * min(both)), digits = 12), "\\n")
""",
    "Wilcoxon signed rank": """\
change <- w[[2]] - w[[1]]
fit <- wilcox.test(change, exact = FALSE, conf.int = TRUE, conf.level = {level})
cat("typical change", fit$estimate, fit$conf.int, "\\n")
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "Friedman": """\
cat("p", format(friedman.test(as.matrix(w))$p.value, digits = 12), "\\n")
""",
    "group × time, Wald F": """\
# install.packages("lme4")
d$time <- factor(d$time, levels = times)
d$group <- factor(d$group)
covariate <- if ("baseline" %in% names(d)) "baseline +" else ""
model <- as.formula(paste("value ~", covariate, "group * time + (1 | subject)"))
fit <- lme4::lmer(model, data = d, REML = TRUE)
b <- lme4::fixef(fit)
of_both <- grepl(":", names(b))
v <- as.matrix(vcov(fit))[of_both, of_both]
f <- sum(b[of_both] * solve(v, b[of_both])) / sum(of_both)
print(summary(fit))
subjects <- length(unique(d$subject[complete.cases(d)]))
p <- pf(f, sum(of_both), subjects - nlevels(d$group), lower.tail = FALSE)
cat("p", format(p, digits = 12), "\\n")
""",
    "McNemar exact": """\
changed <- c(sum(w[[1]] < w[[2]]), sum(w[[1]] > w[[2]]))
cat("difference", -diff(changed) / nrow(w), "\\n")  # Tango: PropCIs::scoreci.mp
cat("p", format(binom.test(changed)$p.value, digits = 12), "\\n")
""",
    "McNemar mid-p": """\
changed <- c(sum(w[[1]] < w[[2]]), sum(w[[1]] > w[[2]]))
cat("difference", -diff(changed) / nrow(w), "\\n")  # Tango: PropCIs::scoreci.mp
fewer <- min(changed)
p <- 2 * pbinom(fewer, sum(changed), 0.5) - dbinom(fewer, sum(changed), 0.5)
cat("p", format(min(1, p), digits = 12), "\\n")
""",
    "Cochran Q": """\
k <- ncol(w)
q <- k * (k - 1) * sum((colSums(w) - mean(colSums(w)))^2) / sum(rowSums(w) * (k - rowSums(w)))
cat("p", format(pchisq(q, k - 1, lower.tail = FALSE), digits = 12), "\\n")
""",
    "exact conditional Poisson": """\
fit <- poisson.test(events, exposure, conf.level = {level})
cat("rate ratio", fit$estimate, fit$conf.int, "\\n")
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "χ² of rates": """\
fit <- chisq.test(events, p = exposure / sum(exposure))
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "χ², categories": """\
fit <- chisq.test(table(d$group, d$value), correct = FALSE)
cat("p", format(fit$p.value, digits = 12), "\\n")
""",
    "Fisher–Freeman–Halton, simulated, categories": """\
fit <- fisher.test(table(d$group, d$value), simulate.p.value = TRUE, B = 99999)
cat("p", fit$p.value, "\\n")
""",
}
#: What must stand before a test against a margin, and its p against one end: ``way`` is "greater"
#: for the lower end, "less" for the upper one, ``bound`` the end.
R_MARGIN = {
    "TOST, Welch t on logarithms": (
        R_TWO,
        't.test(log(a), log(b), mu = log({bound}), alternative = "{way}")$p.value',
    ),
    "TOST, Welch t": (R_TWO, 't.test(a, b, mu = {bound}, alternative = "{way}")$p.value'),
    "TOST, paired t": (
        "",
        't.test(w[[2]], w[[1]], mu = {bound}, paired = TRUE, alternative = "{way}")$p.value',
    ),
    "TOST, Miettinen–Nurminen": (
        R_TWO
        + """\
# the score at a difference m, with the shares that are likeliest there
score_p <- function(m, way) {{
  x <- c(sum(a == 1), sum(b == 1))
  n <- c(length(a), length(b))
  likely <- function(s) dbinom(x[1], n[1], s + m, TRUE) + dbinom(x[2], n[2], s, TRUE)
  ends <- c(max(0, -m), min(1, 1 - m))
  s <- optimize(likely, ends, maximum = TRUE, tol = 1e-13)$maximum
  v <- ((s + m) * (1 - s - m) / n[1] + s * (1 - s) / n[2]) * sum(n) / (sum(n) - 1)
  pnorm((x[1] / n[1] - x[2] / n[2] - m) / sqrt(v), lower.tail = way == "less")
}}
""",
        'score_p({bound}, "{way}")',
    ),
}
