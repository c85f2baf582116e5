//! What travels with the options of a session or a query to the rules and functions that run under them, and is no option itself.

/// Lets a type travel so, under this name.
macro_rules! carried {
    ($type:ty, $name:literal) => {
        impl datafusion::common::config::ConfigExtension for $type {
            const PREFIX: &'static str = $name;
        }

        impl datafusion::common::config::ExtensionOptions for $type {
            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
            fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
                self
            }
            fn cloned(&self) -> Box<dyn datafusion::common::config::ExtensionOptions> {
                Box::new(self.clone())
            }
            fn set(&mut self, key: &str, _: &str) -> datafusion::common::Result<()> {
                datafusion::common::plan_err!("{} has no option {key}", $name)
            }
            fn entries(&self) -> Vec<datafusion::common::config::ConfigEntry> {
                vec![]
            }
        }
    };
}

pub(super) use carried;
