//! Prices as AWS's price list has them today.

use llmhost_engine::kind::{ErrorClass, OpError};
use serde_json::{Value, json};

use crate::aws::signed::{self, Signed};
use crate::aws::{Aws, AwsSettings};

/// The price list is kept in a few regions and tells of all.
const REGION: &str = "us-east-1";
const OPERATION: &str = "pricing:GetProducts";
const LONGEST: usize = 4 << 20;

/// Asks what instances cost.
pub struct PriceList(Aws);

impl PriceList {
    /// With the credentials of these settings, which need `pricing:GetProducts`.
    pub fn new(settings: AwsSettings) -> Self {
        Self(Aws::new(AwsSettings { region: REGION.to_owned(), ..settings }))
    }

    /// What an hour of an instance type costs on demand, with Linux, on shared hardware; none where the list does not have
    /// it.
    pub async fn instance(&self, instance_type: &str, region: &str) -> Result<Option<f64>, OpError> {
        let filters = [
            ("instanceType", instance_type),
            ("regionCode", region),
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ];
        let filters = filters.map(|(field, value)| json!({"Type": "TERM_MATCH", "Field": field, "Value": value}));
        let body = json!({"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "MaxResults": 20, "Filters": filters});
        let answer = signed::call(
            &self.0,
            &Signed {
                operation: OPERATION,
                service: "pricing",
                prefix: "api.pricing",
                method: "POST",
                path: "/",
                headers: vec![
                    ("content-type", "application/x-amz-json-1.1".to_owned()),
                    ("x-amz-target", "AWSPriceListService.GetProducts".to_owned()),
                ],
                body: body.to_string().into_bytes(),
                repeatable: true,
                longest: LONGEST,
                timeout: self.0.settings.attempt_timeout,
            },
        )
        .await?;
        parsed(&answer).ok_or_else(|| OpError {
            class: ErrorClass::Service,
            ..OpError::local(OPERATION, "the response is not a list of prices".to_owned())
        })
    }
}

/// The lowest price on demand of the products in an answer. The list has reservations of capacity beside them.
fn parsed(answer: &str) -> Option<Option<f64>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let products = answer.get("PriceList")?.as_array()?;
    let mut lowest: Option<f64> = None;
    for product in products {
        // A product is JSON in a text.
        let product: Value = serde_json::from_str(product.as_str()?).ok()?;
        let terms = product.pointer("/terms/OnDemand").and_then(Value::as_object).into_iter().flatten();
        for (_, term) in terms {
            let dimensions = term.get("priceDimensions").and_then(Value::as_object).into_iter().flatten();
            let prices = dimensions.filter(|(_, dimension)| dimension["unit"] == "Hrs");
            for price in
                prices.filter_map(|(_, dimension)| dimension.pointer("/pricePerUnit/USD")?.as_str()?.parse().ok())
            {
                if price > 0.0 {
                    lowest = Some(lowest.map_or(price, |other| other.min(price)));
                }
            }
        }
    }
    Some(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(prices: &[(&str, &str)]) -> String {
        let dimensions: serde_json::Map<String, Value> = prices
            .iter()
            .enumerate()
            .map(|(at, (unit, usd))| (at.to_string(), json!({"unit": unit, "pricePerUnit": {"USD": usd}})))
            .collect();
        json!({"product": {}, "terms": {"OnDemand": {"a": {"priceDimensions": dimensions}}, "Reserved": {}}})
            .to_string()
    }

    #[test]
    fn the_price_of_an_hour_is_found_among_what_the_list_tells() {
        let list = |products: &[String]| json!({"PriceList": products}).to_string();
        let free = product(&[("Hrs", "0.0000000000")]);
        let paid = product(&[("Quantity", "0.1"), ("Hrs", "0.5260000000")]);
        assert_eq!(parsed(&list(&[free.clone(), paid])), Some(Some(0.526)));
        assert_eq!(parsed(&list(&[free])), Some(None));
        assert_eq!(parsed(&list(&[])), Some(None));
        for wrong in ["", "[]", "{}", r#"{"PriceList": [1]}"#, r#"{"PriceList": ["x"]}"#] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
