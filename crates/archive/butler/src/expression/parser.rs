//! Tokens to a tree, by recursive descent.

use super::ast::{Arithmetic, Compare, Expr, Item, Node, OrderKey};
use super::error::ExpressionError;
use super::lexer::{Token, tokens};
use elqui_sphere::SkyRegion;

/// Parentheses and NOTs inside each other; deeper ones are no query of a person.
const DEPTH_MAX: usize = 64;

/// Signs of arithmetic in one expression. They make a tree that is as deep as they are many, and
/// what walks it must not run out of stack.
const OPERATORS_MAX: usize = 500;

/// Read an expression; `None` for one of blanks alone.
pub fn parse(text: &str) -> Result<Option<Node>, ExpressionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0, operators: 0 };
    if *parser.peek() == Token::End {
        return Ok(None);
    }
    let node = parser.or()?;
    parser.expect_end()?;
    Ok(Some(node))
}

/// Read an order: `visit, -detector` or `visit ASC, detector DESC`.
pub fn parse_order(text: &str) -> Result<Vec<OrderKey>, ExpressionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0, operators: 0 };
    let mut keys = Vec::new();
    while *parser.peek() != Token::End {
        if !keys.is_empty() {
            parser.expect(",")?;
        }
        let minus = parser.take("-");
        let at = parser.at();
        let Token::Name(name) = parser.advance() else {
            return Err(parser.wrong(at, "the name of a dimension or a field is expected"));
        };
        let falls = parser.take_word("DESC");
        if !falls {
            parser.take_word("ASC");
        }
        keys.push(OrderKey { at, name, descending: minus != falls });
    }
    Ok(keys)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    operators: usize,
}

type Parsed<T = Node> = Result<T, ExpressionError>;

fn node(at: usize, expr: Expr) -> Node {
    Node { at, expr }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.next].1.clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        if found {
            self.advance();
        }
        found
    }

    fn take_word(&mut self, word: &'static str) -> bool {
        let found = *self.peek() == Token::Word(word);
        if found {
            self.advance();
        }
        found
    }

    fn wrong(&self, at: usize, why: impl Into<String>) -> ExpressionError {
        ExpressionError::new(self.text, at, why)
    }

    fn operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            let why = format!("more than {OPERATORS_MAX} signs of arithmetic");
            return Err(self.wrong(self.at(), why));
        }
        self.advance();
        Ok(())
    }

    fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        let at = self.at();
        if self.take(sign) { Ok(()) } else { Err(self.wrong(at, format!("`{sign}` is expected"))) }
    }

    fn expect_end(&mut self) -> Parsed<()> {
        match self.peek() {
            Token::End => Ok(()),
            Token::Sign(")") => Err(self.wrong(self.at(), "this parenthesis was never opened")),
            _ => Err(self.wrong(self.at(), "AND, OR or the end is expected")),
        }
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let why = format!("more than {DEPTH_MAX} levels deep");
            return Err(self.wrong(self.at(), why));
        }
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn or(&mut self) -> Parsed {
        let at = self.at();
        let mut terms = vec![self.and()?];
        while self.take_word("OR") {
            terms.push(self.and()?);
        }
        Ok(one_or(terms, |t| node(at, Expr::Or(t))))
    }

    fn and(&mut self) -> Parsed {
        let at = self.at();
        let mut terms = vec![self.not()?];
        while self.take_word("AND") {
            terms.push(self.not()?);
        }
        Ok(one_or(terms, |t| node(at, Expr::And(t))))
    }

    fn not(&mut self) -> Parsed {
        let at = self.at();
        if self.take_word("NOT") {
            let inner = self.deeper(Self::not)?;
            return Ok(node(at, Expr::Not(Box::new(inner))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed {
        let at = self.at();
        let left = self.sum()?;
        let operator = self.at();
        let sign = match self.peek() {
            Token::Sign("=") => Compare::Eq,
            Token::Sign("!=") => Compare::Ne,
            Token::Sign("<") => Compare::Lt,
            Token::Sign("<=") => Compare::Le,
            Token::Sign(">") => Compare::Gt,
            Token::Sign(">=") => Compare::Ge,
            Token::Word(_) => return self.word_operator(at, left),
            _ => return Ok(left),
        };
        self.advance();
        let right = self.sum()?;
        if matches!(self.peek(), Token::Sign("=" | "!=" | "<" | "<=" | ">" | ">=")) {
            return Err(self.wrong(self.at(), "comparisons do not chain; join them with AND"));
        }
        Ok(node(operator, Expr::Compare(sign, Box::new(left), Box::new(right))))
    }

    fn word_operator(&mut self, at: usize, left: Node) -> Parsed {
        let place = self.at();
        if self.take_word("IS") {
            let not = self.take_word("NOT");
            if !self.take_word("NULL") {
                return Err(self.wrong(self.at(), "NULL or NOT NULL is expected after IS"));
            }
            return Ok(node(at, Expr::IsNull(Box::new(left), not)));
        }
        if self.take_word("OVERLAPS") {
            let right = self.sum()?;
            return Ok(node(place, Expr::Overlaps(Box::new(left), Box::new(right))));
        }
        let not = self.take_word("NOT");
        if self.take_word("IN") {
            self.expect("(")?;
            let mut items = vec![self.item()?];
            while self.take(",") {
                items.push(self.item()?);
            }
            self.expect(")")?;
            return Ok(node(place, Expr::In(Box::new(left), items, not)));
        }
        if self.take_word("GLOB") {
            let at = self.at();
            let Token::Text(pattern) = self.advance() else {
                return Err(self.wrong(at, "a text such as 'HSC-*' is expected after GLOB"));
            };
            return Ok(node(place, Expr::Glob(Box::new(left), pattern, not)));
        }
        if not {
            return Err(self.wrong(self.at(), "IN or GLOB is expected after NOT"));
        }
        Ok(left)
    }

    fn item(&mut self) -> Parsed<Item> {
        let at = self.at();
        let first = self.sum()?;
        if !self.take("..") {
            return Ok(Item::One(first));
        }
        let start = whole(&first).ok_or_else(|| self.wrong(at, "a range is of whole numbers"))?;
        let end = self.range_end()?;
        let step = if self.take(":") { self.range_end()? } else { 1 };
        if step < 1 {
            return Err(self.wrong(at, "a range's step must be 1 or more"));
        }
        if end < start {
            return Err(self.wrong(
                at,
                format!("the range {start}..{end} is empty; did you mean {end}..{start}?"),
            ));
        }
        Ok(Item::Range(start, end, step))
    }

    fn range_end(&mut self) -> Parsed<i64> {
        let at = self.at();
        let found = self.unary()?;
        whole(&found).ok_or_else(|| self.wrong(at, "a whole number is expected"))
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        loop {
            let at = self.at();
            let operator = match self.peek() {
                Token::Sign("+") => Arithmetic::Add,
                Token::Sign("-") => Arithmetic::Sub,
                _ => return Ok(left),
            };
            self.operator()?;
            let right = self.product()?;
            left = node(at, Expr::Math(operator, Box::new(left), Box::new(right)));
        }
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let at = self.at();
            let operator = match self.peek() {
                Token::Sign("*") => Arithmetic::Mul,
                Token::Sign("/") => Arithmetic::Div,
                Token::Sign("%") => Arithmetic::Mod,
                _ => return Ok(left),
            };
            self.operator()?;
            let right = self.unary()?;
            left = node(at, Expr::Math(operator, Box::new(left), Box::new(right)));
        }
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        if self.take("+") {
            return self.deeper(Self::unary);
        }
        if self.take("-") {
            let inner = self.deeper(Self::unary)?;
            return Ok(node(
                at,
                match inner.expr {
                    Expr::Int(v) => Expr::Int(-v),
                    Expr::Real(v) => Expr::Real(-v),
                    _ => Expr::Negate(Box::new(inner)),
                },
            ));
        }
        self.primary()
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        let expr = match self.advance() {
            Token::Int(v) => Expr::Int(v),
            Token::Real(v) => Expr::Real(v),
            Token::Text(v) => Expr::Text(v),
            Token::Time(v) => Expr::Time(v),
            Token::Name(name) if *self.peek() == Token::Sign("(") => self.region(at, &name)?,
            Token::Name(name) => {
                let parts: Vec<&str> = name.split('.').collect();
                if parts.len() > 2 || parts.iter().any(|p| p.is_empty()) {
                    return Err(
                        self.wrong(at, format!("`{name}` is no name: write `dimension.field`"))
                    );
                }
                Expr::Name(name)
            }
            Token::Sign("(") => return self.deeper(|p| p.parenthesis(at)),
            Token::End => {
                return Err(self.wrong(at, "the expression ends where a value is expected"));
            }
            Token::Word(word) => {
                return Err(self.wrong(at, format!("a value is expected, not {word}")));
            }
            Token::Sign(sign) => {
                return Err(self.wrong(at, format!("a value is expected, not `{sign}`")));
            }
        };
        Ok(node(at, expr))
    }

    /// A group, or a timespan when there is a comma.
    fn parenthesis(&mut self, at: usize) -> Parsed {
        let first = self.or()?;
        if self.take(",") {
            let second = self.or()?;
            self.expect(")")?;
            return Ok(node(at, Expr::Timespan(Box::new(first), Box::new(second))));
        }
        if !self.take(")") {
            return Err(self.wrong(at, "this parenthesis is never closed"));
        }
        Ok(first)
    }

    fn region(&mut self, at: usize, name: &str) -> Parsed<Expr> {
        self.expect("(")?;
        let mut n = vec![self.degrees()?];
        while self.take(",") {
            n.push(self.degrees()?);
        }
        self.expect(")")?;
        let region = match (name.to_ascii_uppercase().as_str(), n.as_slice()) {
            ("POINT", &[ra, dec]) => SkyRegion::Circle { ra, dec, radius: 0.0 },
            ("CIRCLE", &[ra, dec, radius]) => SkyRegion::Circle { ra, dec, radius },
            ("BOX", &[ra, dec, width, height]) => SkyRegion::Box { ra, dec, width, height },
            ("POLYGON", n) if n.len() >= 6 && n.len() % 2 == 0 => {
                SkyRegion::Polygon { vertices: n.chunks(2).map(|p| (p[0], p[1])).collect() }
            }
            ("POINT" | "CIRCLE" | "BOX" | "POLYGON", _) => {
                let why = format!(
                    "{name} with {} numbers: POINT(ra,dec), CIRCLE(ra,dec,radius), \
                     BOX(ra,dec,width,height) and POLYGON(ra,dec,ra,dec,ra,dec,...) are degrees",
                    n.len()
                );
                return Err(self.wrong(at, why));
            }
            _ => {
                let why = format!(
                    "there is no function `{name}`; there are POINT, CIRCLE, BOX and POLYGON"
                );
                return Err(self.wrong(at, why));
            }
        };
        region.check().map_err(|e| self.wrong(at, e.to_string()))?;
        Ok(Expr::Region(region))
    }

    fn degrees(&mut self) -> Parsed<f64> {
        let at = self.at();
        match self.unary()?.expr {
            Expr::Int(v) => Ok(v as f64),
            Expr::Real(v) => Ok(v),
            _ => Err(self.wrong(at, "a number of degrees is expected")),
        }
    }
}

fn whole(node: &Node) -> Option<i64> {
    if let Expr::Int(v) = node.expr { Some(v) } else { None }
}

fn one_or(mut terms: Vec<Node>, many: impl FnOnce(Vec<Node>) -> Node) -> Node {
    if terms.len() == 1 { terms.remove(0) } else { many(terms) }
}
