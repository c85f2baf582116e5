//! How things are found: access methods with their operator classes and families, and text search.

use super::names::{Names, TYPE, qualified, shared, some_type};
use super::query::{SCHEMA, brief, column, comment, detail, in_schema, role, type_name};
use super::{LIST, List, Parts};
use crate::cli::psql::listings::Listing;

/// A name, behind that of its schema unless it is seen without.
macro_rules! seen_name {
    ($seen:literal, $schema:literal, $name:literal) => {
        concat!(
            "CASE WHEN pg_catalog.",
            $seen,
            " THEN '' ELSE pg_catalog.quote_ident(",
            $schema,
            ") || '.' END || pg_catalog.quote_ident(",
            $name,
            ")"
        )
    };
}

const ACCESS_METHOD: Names = shared(&["m.amname"]);
const FAMILY: Names = qualified(&["f.opfname"], "");

pub(super) static LISTS: [List; 9] = [
    List {
        commands: &["dA"],
        title: "List of access methods",
        columns: &[
            column("Name", "m.amname"),
            column("Type", "CASE m.amtype WHEN 'i' THEN 'Index' WHEN 't' THEN 'Table' END"),
            detail("Handler", "m.amhandler"),
            detail("Description", comment!("m.oid", "pg_am")),
        ],
        from: "pg_catalog.pg_am m",
        patterns: &[ACCESS_METHOD],
        ..LIST
    },
    List {
        commands: &["dAc"],
        title: "List of operator classes",
        columns: &[
            column("AM", "m.amname"),
            column("Input type", type_name!("c.opcintype")),
            column(
                "Storage type",
                concat!("CASE WHEN c.opckeytype <> 0 AND c.opckeytype <> c.opcintype THEN ", type_name!("c.opckeytype"), " END"),
            ),
            column("Operator class", seen_name!("pg_opclass_is_visible(c.oid)", "n.nspname", "c.opcname")),
            column("Default?", "CASE WHEN c.opcdefault THEN 'yes' ELSE 'no' END"),
            detail(
                "Operator family",
                concat!(
                    "(SELECT ",
                    seen_name!("pg_opfamily_is_visible(f.oid)", "n.nspname", "f.opfname"),
                    " FROM ",
                    in_schema!("pg_opfamily f", "f.opfnamespace"),
                    " WHERE f.oid = c.opcfamily)"
                ),
            ),
            detail("Owner", role!("c.opcowner")),
        ],
        from: concat!(in_schema!("pg_opclass c", "c.opcnamespace"), " LEFT JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod"),
        patterns: &[ACCESS_METHOD, Names { within: some_type!("WHERE t.oid = c.opcintype AND "), ..TYPE }],
        order: "1, 2, 4",
        ..LIST
    },
    List {
        commands: &["dAf"],
        title: "List of operator families",
        columns: &[
            column("AM", "m.amname"),
            column("Operator family", seen_name!("pg_opfamily_is_visible(f.oid)", "n.nspname", "f.opfname")),
            column(
                "Applicable types",
                concat!(
                    "(SELECT pg_catalog.string_agg(",
                    type_name!("c.opcintype"),
                    ", ', ') FROM pg_catalog.pg_opclass c WHERE c.opcfamily = f.oid)"
                ),
            ),
            detail("Owner", role!("f.opfowner")),
        ],
        from: concat!(in_schema!("pg_opfamily f", "f.opfnamespace"), " LEFT JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod"),
        patterns: &[
            ACCESS_METHOD,
            Names { within: some_type!("JOIN pg_catalog.pg_opclass c ON c.opcintype = t.oid WHERE c.opcfamily = f.oid AND "), ..TYPE },
        ],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dAo"],
        title: "List of operators of operator families",
        columns: &[
            column("AM", "m.amname"),
            column("Operator family", seen_name!("pg_opfamily_is_visible(f.oid)", "n.nspname", "f.opfname")),
            column("Operator", "o.amopopr::pg_catalog.regoperator"),
            column("Strategy", "o.amopstrategy"),
            column("Purpose", "CASE o.amoppurpose WHEN 'o' THEN 'ordering' WHEN 's' THEN 'search' END"),
            detail("Sort opfamily", "(SELECT s.opfname FROM pg_catalog.pg_opfamily s WHERE s.oid = o.amopsortfamily)"),
        ],
        from: "pg_catalog.pg_amop o LEFT JOIN pg_catalog.pg_opfamily f ON f.oid = o.amopfamily \
             LEFT JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod AND m.oid = o.amopmethod \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace",
        patterns: &[ACCESS_METHOD, FAMILY],
        order: concat!(
            "1, 2, o.amoplefttype = o.amoprighttype DESC, ",
            type_name!("o.amoplefttype"),
            ", ",
            type_name!("o.amoprighttype"),
            ", o.amopstrategy"
        ),
        ..LIST
    },
    List {
        commands: &["dAp"],
        title: "List of support functions of operator families",
        columns: &[
            column("AM", "m.amname"),
            column("Operator family", seen_name!("pg_opfamily_is_visible(f.oid)", "n.nspname", "f.opfname")),
            column("Registered left type", type_name!("p.amproclefttype")),
            column("Registered right type", type_name!("p.amprocrighttype")),
            column("Number", "p.amprocnum"),
            brief("Function", "(SELECT f.proname FROM pg_catalog.pg_proc f WHERE f.oid = p.amproc)"),
            detail("Function", "p.amproc::pg_catalog.regprocedure"),
        ],
        from: "pg_catalog.pg_amproc p LEFT JOIN pg_catalog.pg_opfamily f ON f.oid = p.amprocfamily \
             LEFT JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace",
        patterns: &[ACCESS_METHOD, FAMILY],
        order: "1, 2, p.amproclefttype = p.amprocrighttype DESC, 3, 4, 5",
        ..LIST
    },
    List {
        commands: &["dF"],
        title: "List of text search configurations",
        columns: &[SCHEMA, column("Name", "c.cfgname"), column("Description", comment!("c.oid", "pg_ts_config"))],
        from: in_schema!("pg_ts_config c", "c.cfgnamespace"),
        patterns: &[qualified(&["c.cfgname"], "pg_catalog.pg_ts_config_is_visible(c.oid)")],
        order: "1, 2",
        parts: Some(Parts {
            noun: "text search configuration",
            known: &[
                column("oid", "c.oid"),
                column("name", "n.nspname || '.' || c.cfgname"),
                column(
                    "parser",
                    "(SELECT s.nspname || '.' || p.prsname FROM pg_catalog.pg_ts_parser p \
                     JOIN pg_catalog.pg_namespace s ON s.oid = p.prsnamespace WHERE p.oid = c.cfgparser)",
                ),
            ],
            order: "n.nspname, c.cfgname",
            tables: configuration,
        }),
        ..LIST
    },
    List {
        commands: &["dFd"],
        title: "List of text search dictionaries",
        columns: &[
            SCHEMA,
            column("Name", "d.dictname"),
            detail(
                "Template",
                "(SELECT s.nspname || '.' || t.tmplname FROM pg_catalog.pg_ts_template t \
                 JOIN pg_catalog.pg_namespace s ON s.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate)",
            ),
            detail("Init options", "d.dictinitoption"),
            column("Description", comment!("d.oid", "pg_ts_dict")),
        ],
        from: in_schema!("pg_ts_dict d", "d.dictnamespace"),
        patterns: &[qualified(&["d.dictname"], "pg_catalog.pg_ts_dict_is_visible(d.oid)")],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dFp"],
        title: "List of text search parsers",
        columns: &[SCHEMA, column("Name", "p.prsname"), column("Description", comment!("p.oid", "pg_ts_parser"))],
        from: in_schema!("pg_ts_parser p", "p.prsnamespace"),
        patterns: &[qualified(&["p.prsname"], "pg_catalog.pg_ts_parser_is_visible(p.oid)")],
        order: "1, 2",
        parts: Some(Parts {
            noun: "text search parser",
            known: &[column("oid", "p.oid"), column("name", "n.nspname || '.' || p.prsname")],
            order: "1",
            tables: parser,
        }),
        ..LIST
    },
    List {
        commands: &["dFt"],
        title: "List of text search templates",
        columns: &[
            SCHEMA,
            column("Name", "t.tmplname"),
            detail("Init", "t.tmplinit::pg_catalog.regproc"),
            detail("Lexize", "t.tmpllexize::pg_catalog.regproc"),
            column("Description", comment!("t.oid", "pg_ts_template")),
        ],
        from: in_schema!("pg_ts_template t", "t.tmplnamespace"),
        patterns: &[qualified(&["t.tmplname"], "pg_catalog.pg_ts_template_is_visible(t.oid)")],
        order: "1, 2",
        ..LIST
    },
];

/// Which dictionaries a configuration asks for each kind of token.
fn configuration(row: &[Option<String>]) -> Vec<Listing> {
    let [Some(oid), Some(name), Some(parser)] = row else { return vec![] };
    let sql = format!(
        "SELECT (SELECT t.alias FROM pg_catalog.ts_token_type(c.cfgparser) t WHERE t.tokid = m.maptokentype) AS \"Token\", \
         pg_catalog.btrim(ARRAY(SELECT d.mapdict::pg_catalog.regdictionary FROM pg_catalog.pg_ts_config_map d \
         WHERE d.mapcfg = m.mapcfg AND d.maptokentype = m.maptokentype ORDER BY d.mapseqno)::pg_catalog.text, '{{}}') AS \"Dictionaries\" \
         FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_ts_config_map m ON m.mapcfg = c.oid WHERE c.oid = {oid} \
         GROUP BY m.mapcfg, m.maptokentype, c.cfgparser ORDER BY 1"
    );
    let title = format!("Text search configuration \"{name}\"\nParser: \"{parser}\"");
    vec![Listing { counted: false, ..Listing::of(title, sql) }]
}

/// The functions of a parser, and the kinds of tokens that it finds.
fn parser(row: &[Option<String>]) -> Vec<Listing> {
    const METHODS: [(&str, &str); 5] = [
        ("Start parse", "prsstart"),
        ("Get next token", "prstoken"),
        ("End parse", "prsend"),
        ("Get headline", "prsheadline"),
        ("Get token types", "prslextype"),
    ];
    let [Some(oid), Some(name)] = row else { return vec![] };
    let method = |(method, function)| {
        format!(
            "SELECT '{method}' AS \"Method\", {function}::pg_catalog.regproc AS \"Function\", \
             pg_catalog.obj_description({function}, 'pg_proc') AS \"Description\" FROM pg_catalog.pg_ts_parser WHERE oid = {oid}"
        )
    };
    let methods = METHODS.map(method).join(" UNION ALL ");
    let tokens = format!(
        "SELECT alias AS \"Token name\", description AS \"Description\" FROM pg_catalog.ts_token_type({oid}::pg_catalog.oid) ORDER BY 1"
    );
    vec![
        Listing { counted: false, ..Listing::of(format!("Text search parser \"{name}\""), methods) },
        Listing::of(format!("Token types for parser \"{name}\""), tokens),
    ]
}
