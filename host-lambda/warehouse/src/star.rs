//! The stars of a warehouse, checked against each other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use star_contract::{Description, Role};

use crate::WarehouseError;
use crate::place::Places;
use crate::shape::Shape;

/// One star: its tables, in described order.
#[derive(Debug)]
pub(crate) struct Star {
    pub(crate) name: String,
    pub(crate) tables: Vec<Shape>,
}

impl Star {
    /// The tables of one role, in described order, with their place in the description.
    pub(crate) fn tables_of(&self, role: Role) -> impl Iterator<Item = (usize, &Shape)> {
        self.tables.iter().enumerate().filter(move |(_, shape)| shape.role == role)
    }
}

/// Turns descriptions into shapes: one for each table, whoever writes it.
pub(crate) fn stars(
    descriptions: &[Description],
    owners: &BTreeMap<String, String>,
    places: &Places,
) -> Result<Vec<Star>, WarehouseError> {
    let mut seen: BTreeMap<&str, (&str, Shape)> = BTreeMap::new();
    let mut stars = Vec::new();
    for description in descriptions {
        let mut tables = Vec::new();
        for output in &description.outputs {
            let mut shape = Shape::of(description, output)?;
            if shape.role == Role::Dimension {
                shape.owner = owners.get(&shape.table).cloned();
                places.check_side_name(&shape.origin())?;
            } else {
                places.check_side_name(&shape.deletions())?;
            }
            let refuse = |problem| {
                Err(WarehouseError::Plan { star: description.star.clone(), table: shape.table.clone(), problem })
            };
            match seen.entry(&output.table) {
                Entry::Vacant(entry) => {
                    entry.insert((&description.star, shape.clone()));
                }
                Entry::Occupied(entry) if entry.get().0 == description.star => {
                    return refuse("the star is described twice");
                }
                Entry::Occupied(_) if shape.role == Role::Fact => return refuse("another star writes this fact"),
                Entry::Occupied(_) if shape.owner.is_none() => {
                    return refuse("several stars write this dimension and none of them owns it");
                }
                Entry::Occupied(entry) if entry.get().1 != shape => {
                    return refuse("another star describes this dimension differently");
                }
                Entry::Occupied(_) => {}
            }
            tables.push(shape);
        }
        stars.push(Star { name: description.star.clone(), tables });
    }
    for star in &stars {
        for shape in &star.tables {
            check_references(star, shape, &seen)?;
        }
    }
    Ok(stars)
}

fn check_references(star: &Star, shape: &Shape, known: &BTreeMap<&str, (&str, Shape)>) -> Result<(), WarehouseError> {
    for reference in &shape.references {
        let Some((_, target)) = known.get(reference.table.as_str()) else { continue };
        if target.role != Role::Dimension || target.key != [reference.target.clone()] {
            return Err(WarehouseError::Plan {
                star: star.name.clone(),
                table: format!("{}.{}", shape.table, reference.column),
                problem: "it refers to what is not the key of a dimension",
            });
        }
    }
    Ok(())
}
